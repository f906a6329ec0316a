// Where the largest number of a row stands, on a device: a block for each row.
#pragma once

#include <cstdint>

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/backend/cuda_launch.hpp"

namespace limbeck::ops::detail {

inline constexpr unsigned argmax_threads = 256;

/// A number and its column; the larger number, and of equals the earlier column, is the first.
template <class T>
struct placed_number {
  T number;
  std::int32_t column;

  [[nodiscard]] __device__ static placed_number first_of(const placed_number& a, const placed_number& b) {
    return b.number > a.number || (b.number == a.number && b.column < a.column) ? b : a;
  }
};

template <class T>
__global__ void __launch_bounds__(argmax_threads)
    argmax_kernel(view<const T, 2, cuda> of, view<std::int32_t, 1, cuda> to) {
  for (index r = blockIdx.x; r < of.extent(0); r += gridDim.x) {
    const auto column = static_cast<index>(threadIdx.x) < of.extent(1) ? static_cast<index>(threadIdx.x) : index{0};
    placed_number<T> best{of(r, column), static_cast<std::int32_t>(column)};
    for (index c = column + blockDim.x; c < of.extent(1); c += blockDim.x)
      best = placed_number<T>::first_of(best, {of(r, c), static_cast<std::int32_t>(c)});
    best = limbeck::detail::block_joined(
        best, [](const placed_number<T>& a, const placed_number<T>& b) { return placed_number<T>::first_of(a, b); });
    if (threadIdx.x == 0) to(r) = best.column;
  }
}

template <class T>
void argmax_of_rows(cuda, const cuda_executor& on, view<const T, 2, cuda> of, view<std::int32_t, 1, cuda> to) {
  launch(on, "argmax", {blocks_for(of.extent(0)), threads_for(of.extent(1), argmax_threads)}, argmax_kernel<T>, of, to);
}

}  // namespace limbeck::ops::detail
