// The norm of a gradient on a device.
#pragma once

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/backend/cuda_launch.hpp"
#include "limbeck/models/touched_rows.hpp"

namespace limbeck {
namespace detail {

inline constexpr unsigned norm_threads = 512;
inline constexpr index norm_share =
    1 << 14;  ///< elements that a block sums up: a constant, as is the order of the sums

/// sums(share) = the sum of its squares, in double.
template <class T>
__global__ void __launch_bounds__(norm_threads, 1)
    square_sums_kernel(view<const T, 1, cuda> x, view<double, 1, cuda> sums) {
  for (index share = blockIdx.x; share < sums.extent(0); share += gridDim.x) {
    const index begin = share * norm_share, left = x.extent(0) - begin, end = left < norm_share ? left : norm_share;
    double sum = 0;
    for (index i = threadIdx.x; i < end; i += blockDim.x) {
      const double here = static_cast<double>(x(begin + i));
      sum += here * here;
    }
    sum = block_joined(sum, summed_up{});
    if (threadIdx.x == 0) sums(share) = sum;
  }
}
/// norm(0) = the root of the sum of `sums`. One block.
template <class A>
__global__ void __launch_bounds__(norm_threads, 1)
    root_of_sums_kernel(view<const A, 1, cuda> sums, view<A, 1, cuda> norm) {
  A sum = 0;
  for (index i = threadIdx.x; i < sums.extent(0); i += blockDim.x) sum += sums(i);
  sum = block_joined(sum, summed_up{});
  if (threadIdx.x == 0) norm(0) = sqrt(sum);
}

}  // namespace detail

/// Queues norm(0) = the L2 norm of a buffer, summed in double in an order that depends on its size alone. `norm` [1]
/// lies on the device: nobody waits for it. All is read, touched or not.
template <class T>
void norm_of(const cuda_executor& on, view<const T, 1, cuda> x, view<double, 1, cuda> norm, const touched_rows& = {}) {
  const index shares = (x.extent(0) + detail::norm_share - 1) / detail::norm_share;
  const cuda_workspace<double> room(on, shares);
  const view<double, 1, cuda> sums(room.data(), shares);
  launch(on, "norm_of", {blocks_for(shares), threads_for(x.extent(0), detail::norm_threads)},
         detail::square_sums_kernel<T>, x, sums);
  launch(on, "norm_of", {1, threads_for(shares, detail::norm_threads)}, detail::root_of_sums_kernel<double>,
         view<const double, 1, cuda>(sums), norm);
}

}  // namespace limbeck
