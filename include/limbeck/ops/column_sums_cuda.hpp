// Sums over the rows of matrices on a device: shares of rows in their order, then the shares in theirs, so that the
// bits depend on the number of rows alone.
#pragma once

#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/backend/cuda_launch.hpp"
#include "limbeck/backend/cuda_runtime.hpp"

namespace limbeck::ops::detail {

inline constexpr unsigned most_threads_of_columns = 128;
inline constexpr index rows_of_share = 64;

/// partial[share, c] = the sum of terms.at(r, c) over the rows of the share.
template <class Terms>
__global__ void __launch_bounds__(most_threads_of_columns)
    share_sums_kernel(Terms terms, index rows, index columns, index blocks, typename Terms::sum* partial) {
  const index shares = (rows + rows_of_share - 1) / rows_of_share;
  for (index b = blockIdx.x; b < shares * blocks; b += gridDim.x) {
    const index share = b / blocks, c = (b - share * blocks) * blockDim.x + threadIdx.x;
    if (c >= columns) continue;
    const index begin = share * rows_of_share, end = begin + rows_of_share < rows ? begin + rows_of_share : rows;
    typename Terms::sum total{};
    for (index r = begin; r < end; ++r) total += terms.at(r, c);
    partial[share * columns + c] = total;
  }
}
/// terms.add(c, the sum over the shares).
template <class Terms>
__global__ void __launch_bounds__(most_threads_of_columns)
    add_share_sums_kernel(Terms terms, index shares, index columns, const typename Terms::sum* partial) {
  const index step = static_cast<index>(gridDim.x) * blockDim.x;
  for (index c = static_cast<index>(blockIdx.x) * blockDim.x + threadIdx.x; c < columns; c += step) {
    typename Terms::sum total{};
    for (index share = 0; share < shares; ++share) total += partial[share * columns + c];
    terms.add(c, total);
  }
}

/// terms.add(c, the sum of terms.at(r, c) over all rows) for every column. Workspace: rows / 64 * columns sums.
template <class Terms>
void sum_columns(const cuda_executor& on, const char* what, index rows, index columns, const Terms& terms) {
  if (rows == 0 || columns == 0) return;
  const index shares = (rows + rows_of_share - 1) / rows_of_share;
  const unsigned threads = threads_for(columns, most_threads_of_columns);
  const index blocks = (columns + threads - 1) / threads;
  const cuda_workspace<typename Terms::sum> partial(on, shares * columns);
  launch(on, what, {blocks_for(shares * blocks), threads}, share_sums_kernel<Terms>, terms, rows, columns, blocks,
         partial.data());
  launch(on, what, {blocks_for(blocks), threads}, add_share_sums_kernel<Terms>, terms, shares, columns,
         static_cast<const typename Terms::sum*>(partial.data()));
}

}  // namespace limbeck::ops::detail
