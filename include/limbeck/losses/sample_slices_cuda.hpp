// Sums over samples on a device: several blocks for each, whose parts are added in their order.
#pragma once

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/backend/cuda_launch.hpp"

namespace limbeck::detail {

/// How many blocks a sample is cut into: a constant, so that sums do not depend on the device.
inline constexpr index slices_of_sample = 8;
inline constexpr unsigned slice_threads = 256;

/// parts[sample * slices_of_sample + slice] = the sum over the block's threads of body(sample, slice).
template <class A, class Body>
__global__ void __launch_bounds__(slice_threads, 1) sample_slices_kernel(index samples, Body body, A* parts) {
  for (index b = blockIdx.x; b < samples * slices_of_sample; b += gridDim.x) {
    const A sum = block_joined(body(b / slices_of_sample, b % slices_of_sample), summed_up{});
    if (threadIdx.x == 0) parts[b] = sum;
  }
}

template <class A>
__global__ void __launch_bounds__(slice_threads) add_slices_kernel(const A* parts, view<A, 1, cuda> values) {
  const index step = static_cast<index>(gridDim.x) * blockDim.x;
  for (index i = static_cast<index>(blockIdx.x) * blockDim.x + threadIdx.x; i < values.extent(0); i += step) {
    A sum = 0;
    for (index slice = 0; slice < slices_of_sample; ++slice) sum += parts[i * slices_of_sample + slice];
    values(i) += sum;
  }
}

/// Numbers of workspace that add_up_samples() needs.
[[nodiscard]] constexpr index slice_room(index samples) { return samples * slices_of_sample; }

/// Queues values(sample) += the sum over its slices of body(sample, slice), which each thread of a block returns its
/// part of; `values` may be empty, where the body has work of its own to do. `side_by_side`: how much of a slice
/// threads do at one time. `parts`: slice_room(samples).
template <class A, class Body>
void add_up_samples(const cuda_executor& on, const char* what, index samples, index side_by_side, const Body& body,
                    A* parts, view<A, 1, cuda> values) {
  launch(on, what, {blocks_for(samples * slices_of_sample), threads_for(side_by_side, slice_threads)},
         sample_slices_kernel<A, Body>, samples, body, parts);
  if (values.empty()) return;
  const unsigned threads = threads_for(samples, slice_threads);
  launch(on, what, {blocks_for((samples + threads - 1) / threads), threads}, add_slices_kernel<A>,
         static_cast<const A*>(parts), values);
}

}  // namespace limbeck::detail
