// What the samples of a batch add up to, on a device.
#pragma once

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/backend/cuda_launch.hpp"

namespace limbeck {
namespace detail {

inline constexpr unsigned value_threads = 128;

template <class T>
__global__ void __launch_bounds__(value_threads, 1)
    row_sums_kernel(view<const T, 2, cuda> values, view<double, 1, cuda> sums) {
  for (index row = blockIdx.x; row < values.extent(0); row += gridDim.x) {
    double sum = 0;
    for (index i = threadIdx.x; i < values.extent(1); i += blockDim.x) sum += static_cast<double>(values(row, i));
    sum = block_joined(sum, summed_up{});
    if (threadIdx.x == 0) sums(row) += sum;
  }
}

}  // namespace detail

/// Queues sums(t) += the sum of row t of `values`, in double, in an order that depends on the number of columns alone.
template <class T>
void add_row_sums(const cuda_executor& on, view<const T, 2, cuda> values, view<double, 1, cuda> sums) {
  launch(on, "add_row_sums", {blocks_for(values.extent(0)), threads_for(values.extent(1), detail::value_threads)},
         detail::row_sums_kernel<T>, values, sums);
}

}  // namespace limbeck
