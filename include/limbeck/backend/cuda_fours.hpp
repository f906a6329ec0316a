// Kernels over matrices in which a thread has four numbers of a row at one time: 16 bytes of float, four words of
// Philox.
#pragma once

#include <cstdint>

#include "limbeck/backend/cuda_launch.hpp"
#include "limbeck/backend/cuda_runtime.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// Four numbers of a row.
template <class T>
struct four {
  T at[4];
};
namespace detail {

template <class T>
struct alignas(sizeof(T) < 4 ? 4 * sizeof(T) : 16) aligned_four {
  four<T> numbers;
};

template <class T>
[[nodiscard]] LIMBECK_HD bool aligned_for_four(const T* p) {
  return reinterpret_cast<std::uintptr_t>(p) % alignof(aligned_four<T>) == 0;
}

}  // namespace detail

/// The `here` numbers, at most four, that lie from p on; 0 behind them.
template <class T>
[[nodiscard]] LIMBECK_HD four<T> load_four(const T* p, index here) {
  if (here >= 4 && detail::aligned_for_four(p)) return reinterpret_cast<const detail::aligned_four<T>*>(p)->numbers;
  four<T> loaded;
  for (int i = 0; i < 4; ++i) loaded.at[i] = i < here ? p[i] : T(0.0F);
  return loaded;
}
/// The same for writing; what lies behind stays.
template <class T>
LIMBECK_HD void store_four(T* p, index here, const four<T>& numbers) {
  if (here >= 4 && detail::aligned_for_four(p)) {
    reinterpret_cast<detail::aligned_four<T>*>(p)->numbers = numbers;
    return;
  }
  for (int i = 0; i < 4 && i < here; ++i) p[i] = numbers.at[i];
}
/// Row r of a matrix without gaps in its rows, from column c on.
template <class T>
[[nodiscard]] LIMBECK_HD T* row_at(const view<T, 2, cuda>& m, index r, index c) {
  return m.data() + r * m.stride(0) + c;
}

inline constexpr unsigned threads_of_fours = 256;

/// Calls body(row, first column, columns here, arguments...) for every four columns of every row; the last ones of a
/// row may be fewer.
template <class Body, class... Arguments>
__global__ void __launch_bounds__(threads_of_fours)
    fours_kernel(index rows, index columns, Body body, Arguments... arguments) {
  const index in_row = (columns + 3) / 4, count = rows * in_row;
  const index step = static_cast<index>(gridDim.x) * blockDim.x;
  for (index i = static_cast<index>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    const index row = i / in_row, first = (i - row * in_row) * 4;
    body(row, first, columns - first < 4 ? columns - first : 4, arguments...);
  }
}

/// Queues body(row, first column, columns here, arguments...) for every four columns of every row; `what` names it
/// where that fails.
template <class Body, class... Arguments>
void for_fours(const cuda_executor& on, const char* what, index rows, index columns, const Body& body,
               const Arguments&... arguments) {
  const index fours = rows * ((columns + 3) / 4);
  const unsigned threads = threads_for(fours, threads_of_fours);
  if (fours == 0) return;
  launch(on, what, {blocks_for((fours + threads - 1) / threads), threads}, fours_kernel<Body, Arguments...>, rows,
         columns, body, arguments...);
}

}  // namespace limbeck
