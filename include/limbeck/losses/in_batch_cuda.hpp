// Scores of late interaction as logits on a device: a block for each query.
#pragma once

#include <cmath>

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/backend/cuda_launch.hpp"

namespace limbeck::detail {

inline constexpr unsigned score_threads = 128;

template <class T>
__global__ void __launch_bounds__(score_threads)
    soften_scores_kernel(view<T, 2, cuda> scores, double temperature, view<const T, 1, cuda> given,
                         view<T, 2, cuda> weights) {
  for (index q = blockIdx.x; q < scores.extent(0); q += gridDim.x) {
    int any = 0;
    for (index p = threadIdx.x; p < scores.extent(1); p += blockDim.x) {
      any |= scores(q, p) != static_cast<T>(-INFINITY) ? 1 : 0;
      scores(q, p) = static_cast<T>(scores(q, p) / temperature);
    }
    any = block_joined(any, [](int a, int b) { return a | b; });
    if (threadIdx.x == 0) weights(0, q) = any == 0 ? T(0) : given.empty() ? T(1) : given(q);
  }
}
/// Scores become logits; a query without any that is more than -infinity weighs nothing.
template <class T>
void soften_scores(cuda, const cuda_executor& on, const view<T, 2, cuda>& scores, double temperature,
                   const view<const T, 1, cuda>& given, const view<T, 2, cuda>& weights) {
  launch(on, "in_batch_maxsim", {blocks_for(scores.extent(0)), score_threads}, soften_scores_kernel<T>, scores,
         temperature, given, weights);
}

}  // namespace limbeck::detail
