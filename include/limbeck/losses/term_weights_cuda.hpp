// A term weighted by an uncertainty that is learned, on a device: the weight is read where it lies, and nobody waits.
#pragma once

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/backend/cuda_buffer.hpp"
#include "limbeck/backend/cuda_launch.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/loss_policy.hpp"

namespace limbeck::detail {

inline constexpr unsigned uncertain_threads = 256;

/// What is known of the term, and of the samples in it.
template <class T, class A>
struct uncertain_term {
  view<const T, 1, cuda> log_variance;
  view<const A, 1, cuda> weight;  ///< of samples; empty: 1
  view<A, 1, cuda> weighted, values;
  double scale, count;

  [[nodiscard]] __device__ double s() const { return static_cast<double>(log_variance(0)); }
  [[nodiscard]] __device__ double weight_of(index sample) const {
    return weight.empty() ? 1 : static_cast<double>(weight(sample));
  }
};

/// The weights that the term is to see, and room for its values.
template <class T, class A>
__global__ void __launch_bounds__(uncertain_threads) weigh_samples_kernel(uncertain_term<T, A> of) {
  const index step = static_cast<index>(gridDim.x) * blockDim.x;
  for (index i = static_cast<index>(blockIdx.x) * blockDim.x + threadIdx.x; i < of.values.extent(0); i += step) {
    of.weighted(i) = static_cast<A>(of.weight_of(i) * exp(-of.s()) / 2);
    of.values(i) = A(0);
  }
}
/// By one block: value += the term's + what its uncertainty costs; slope += that of the sum of all.
template <class T, class A>
__global__ void __launch_bounds__(uncertain_threads)
    add_uncertain_kernel(uncertain_term<T, A> of, view<A, 1, cuda> value, view<T, 1, cuda> slope) {
  double sum = 0;
  for (index i = threadIdx.x; i < of.values.extent(0); i += blockDim.x) {
    const double share = of.scale * of.weight_of(i) / (2 * of.count);
    if (!value.empty()) value(i) += of.values(i) + static_cast<A>(share * of.s());
    sum += share - static_cast<double>(of.values(i));
  }
  sum = block_joined(sum, summed_up{});
  if (threadIdx.x == 0 && !slope.empty()) slope(0) += static_cast<T>(sum);
}

/// As on the host. Throws contract_error where neither the sink nor the student says how many samples there are.
template <class Term, class T, class S, class U, class A, class G>
void add_uncertain(cuda, const cuda_executor& on, const Term& term, view<const T, 1, cuda> log_variance,
                   view<T, 1, cuda> slope, const signals<const S, cuda>& student, const signals<const U, cuda>& teacher,
                   const targets<A, cuda>& given, const sink<A, cuda, G>& out) {
  const index samples = !out.value.empty()    ? out.value.extent(0)
                        : !out.weight.empty() ? out.weight.extent(0)
                                              : student.rows.extent(0);
  expects(samples > 0,
          "uncertainty_weighted: on a device values, weights or rows have to say how many samples there are");
  buffer<A, cuda> room(on, 2 * samples);
  const uncertain_term<T, A> of{log_variance,
                                out.weight,
                                view<A, 1, cuda>(room.data(), samples),
                                view<A, 1, cuda>(room.data() + samples, samples),
                                out.scale,
                                out.per.samples};
  const unsigned threads = threads_for(samples, uncertain_threads);
  launch(on, "uncertainty_weighted: samples", {blocks_for((samples + threads - 1) / threads), threads},
         weigh_samples_kernel<T, A>, of);
  sink<A, cuda, G> here = out;
  here.value = of.values;
  here.weight = of.weighted;
  term(on, student, teacher, given, here);
  launch(on, "uncertainty_weighted", {1, threads}, add_uncertain_kernel<T, A>, of, out.value, slope);
}

}  // namespace limbeck::detail
