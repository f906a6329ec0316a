// Late interaction on a device: a block for each query and passage, a warp for each of the query's tokens.
//
// What lies on a device cannot be looked at without waiting for it: tokens outside of their matrix are read all the
// same.
#pragma once

#include <cmath>
#include <cstdint>

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/backend/cuda_launch.hpp"
#include "limbeck/ops/token_vectors.hpp"

namespace limbeck::ops::detail {

using limbeck::detail::block_joined, limbeck::detail::summed_up, limbeck::detail::warp_joined,
    limbeck::detail::warp_size, limbeck::detail::warp_team;

inline constexpr unsigned maxsim_threads = 128;

/// A passage's token by its product with one of a query's; token -1: none.
struct found_token {
  double product;
  std::int64_t token;
};
/// The larger, the first of equal ones. A NaN is the largest.
struct better_token {
  __device__ found_token operator()(const found_token& a, const found_token& b) const {
    if (a.token < 0 || b.token < 0) return a.token < 0 ? b : a;
    const bool a_nan = a.product != a.product, b_nan = b.product != b.product;
    if (a_nan != b_nan) return a_nan ? a : b;
    if (a_nan || a.product == b.product) return a.token < b.token ? a : b;
    return a.product > b.product ? a : b;
  }
};

/// Each lane multiplies with tokens of its own. To be called by a whole warp.
template <class T>
[[nodiscard]] __device__ found_token best_token_on_device(const token_vectors<const T, cuda>& queries,
                                                          const token_vectors<const T, cuda>& passages, index token,
                                                          const sample_rows& passage) {
  found_token mine{0, -1};
  for (index j = passage.begin + warp_team::lane(); j < passage.begin + passage.length; j += warp_size) {
    if (!passages.counts(j)) continue;
    T product = 0;
    for (index k = 0; k < queries.vectors.extent(1); ++k) product += queries.vectors(token, k) * passages.vectors(j, k);
    mine = better_token{}(mine, {static_cast<double>(product), j});
  }
  return warp_joined(mine, better_token{});
}

template <class T>
__global__ void __launch_bounds__(maxsim_threads)
    maxsim_kernel(token_vectors<const T, cuda> queries, token_vectors<const T, cuda> passages, view<T, 2, cuda> scores,
                  view<std::int32_t, 2, cuda> best) {
  const index all = scores.count(), warps = blockDim.x / warp_size;
  for (index pair = blockIdx.x; pair < all; pair += gridDim.x) {
    const index q = pair / scores.extent(1), p = pair - q * scores.extent(1);
    const sample_rows query = queries.rows(q), passage = passages.rows(p);
    double sum = 0, any = 0;
    for (index i = query.begin + threadIdx.x / warp_size; i < query.begin + query.length; i += warps) {
      found_token found{0, -1};
      if (queries.counts(i)) found = best_token_on_device(queries, passages, i, passage);
      if (warp_team::lane() != 0) continue;
      if (!best.empty()) best(i, p) = static_cast<std::int32_t>(found.token);
      if (found.token < 0) continue;
      sum += found.product;
      any = 1;
    }
    sum = block_joined(sum, summed_up{});
    any = block_joined(any, summed_up{});
    if (threadIdx.x == 0) scores(q, p) = any == 0 ? static_cast<T>(-INFINITY) : static_cast<T>(sum);
  }
}
template <class T>
void maxsim_forward(const cuda_executor& on, const token_vectors<const T, cuda>& queries,
                    const token_vectors<const T, cuda>& passages, const view<T, 2, cuda>& scores,
                    const view<std::int32_t, 2, cuda>& best) {
  launch(on, "maxsim", {blocks_for(scores.count()), maxsim_threads}, maxsim_kernel<T>, queries, passages, scores, best);
}

/// A block for each query.
template <class T>
__global__ void __launch_bounds__(maxsim_threads)
    maxsim_to_queries_kernel(token_vectors<const T, cuda> queries, token_vectors<const T, cuda> passages,
                             view<const std::int32_t, 2, cuda> best, view<const T, 2, cuda> dscores,
                             view<T, 2, cuda> dqueries) {
  for (index q = blockIdx.x; q < dscores.extent(0); q += gridDim.x) {
    const sample_rows query = queries.rows(q);
    for (index i = query.begin; i < query.begin + query.length; ++i)
      for (index k = threadIdx.x; k < dqueries.extent(1); k += blockDim.x) {
        T sum = 0;
        for (index p = 0; p < dscores.extent(1); ++p)
          if (best(i, p) >= 0) sum += dscores(q, p) * passages.vectors(best(i, p), k);
        dqueries(i, k) += sum;
      }
  }
}
template <class T>
void maxsim_to_queries(const cuda_executor& on, const token_vectors<const T, cuda>& queries,
                       const token_vectors<const T, cuda>& passages, const view<const std::int32_t, 2, cuda>& best,
                       const view<const T, 2, cuda>& dscores, const view<T, 2, cuda>& dqueries) {
  if (dqueries.empty()) return;
  launch(on, "maxsim: gradient of queries", {blocks_for(dscores.extent(0)), maxsim_threads},
         maxsim_to_queries_kernel<T>, queries, passages, best, dscores, dqueries);
}

/// A block for each passage, each thread with columns of its own: the order of the sums is that of the queries.
template <class T>
__global__ void __launch_bounds__(maxsim_threads)
    maxsim_to_passages_kernel(token_vectors<const T, cuda> queries, view<const std::int32_t, 2, cuda> best,
                              view<const T, 2, cuda> dscores, view<T, 2, cuda> dpassages) {
  for (index p = blockIdx.x; p < dscores.extent(1); p += gridDim.x)
    for (index q = 0; q < dscores.extent(0); ++q) {
      const sample_rows query = queries.rows(q);
      for (index i = query.begin; i < query.begin + query.length; ++i) {
        const index to = best(i, p);
        for (index k = threadIdx.x; to >= 0 && k < dpassages.extent(1); k += blockDim.x)
          dpassages(to, k) += dscores(q, p) * queries.vectors(i, k);
      }
    }
}
template <class T>
void maxsim_to_passages(const cuda_executor& on, const token_vectors<const T, cuda>& queries,
                        const token_vectors<const T, cuda>&, const view<const std::int32_t, 2, cuda>& best,
                        const view<const T, 2, cuda>& dscores, const view<T, 2, cuda>& dpassages) {
  if (dpassages.empty()) return;
  launch(on, "maxsim: gradient of passages", {blocks_for(dscores.extent(1)), maxsim_threads},
         maxsim_to_passages_kernel<T>, queries, best, dscores, dpassages);
}

}  // namespace limbeck::ops::detail
