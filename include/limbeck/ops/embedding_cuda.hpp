// Picking rows of a table on a device, and its gradient, whose sums have an order that no other thread's speed changes.
//
// What lies on a device cannot be looked at without waiting for it: a number that is not in the table gives a row of
// NaN, and no gradient.
#pragma once

#include <cmath>
#include <cstdint>

#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/backend/cuda_fours.hpp"
#include "limbeck/ops/column_sums_cuda.hpp"
#include "limbeck/ops/elementwise_cuda.hpp"

namespace limbeck::ops::detail {

inline void expects_rows(cuda, index, view<const std::int32_t, 1, cuda>) {}

struct gather_fours {
  template <class T>
  __device__ void operator()(index r, index c, index here, const view<const T, 2, cuda>& table,
                             const view<const std::int32_t, 1, cuda>& ids, const view<T, 2, cuda>& y, bool add) const {
    const std::int32_t id = ids(r);
    const T nan = static_cast<T>(NAN);
    four<T> row{{nan, nan, nan, nan}};
    if (id >= 0 && id < table.extent(0)) row = load_four(row_at(table, id, c), here);
    if (add) {
      const four<T> before = load_four(static_cast<const T*>(row_at(y, r, c)), here);
      for (int i = 0; i < 4; ++i) row.at[i] = before.at[i] + row.at[i];
    }
    store_four(row_at(y, r, c), here, row);
  }
};
template <class T>
void gather(cuda, const cuda_executor& on, view<const T, 2, cuda> table, view<const std::int32_t, 1, cuda> ids,
            view<T, 2, cuda> y, bool add) {
  for_fours(on, "gather_rows", y.extent(0), y.extent(1), gather_fours{}, table, ids, y, add);
}

/// The rows that go to one entry of a table of few.
template <class T>
struct entry_terms {
  using sum = T;
  view<const T, 2, cuda> dy;
  view<const std::int32_t, 1, cuda> ids;
  view<T, 2, cuda> dtable;
  std::int32_t entry;

  __device__ T at(index r, index c) const { return ids(r) == entry ? dy(r, c) : T(0); }
  __device__ void add(index c, T total) const { dtable(entry, c) += total; }
};

inline constexpr unsigned threads_of_chains = 128;

/// Which row with the same number comes next, -1 for none; has_former[i]: one comes before. has_former: zeros at first.
template <class Id>
__global__ void __launch_bounds__(threads_of_chains)
    chain_rows_kernel(view<const Id, 1, cuda> ids, std::int32_t* next, std::int32_t* has_former) {
  const index count = ids.extent(0), step = static_cast<index>(gridDim.x) * blockDim.x;
  for (index i = static_cast<index>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    index j = i + 1;
    while (j < count && ids(j) != ids(i)) ++j;
    next[i] = j < count ? static_cast<std::int32_t>(j) : -1;
    if (j < count) has_former[j] = 1;  // by its only predecessor
  }
}
/// A block for each number: adds its rows one after the other.
template <class T>
__global__ void __launch_bounds__(threads_of_chains)
    add_chains_kernel(view<const T, 2, cuda> dy, view<const std::int32_t, 1, cuda> ids, view<T, 2, cuda> dtable,
                      std::int32_t skip, const std::int32_t* next, const std::int32_t* has_former) {
  for (index i = blockIdx.x; i < dy.extent(0); i += gridDim.x) {
    const std::int32_t id = ids(i);
    if (has_former[i] != 0 || id == skip || id < 0 || id >= dtable.extent(0)) continue;
    for (index c = threadIdx.x; c < dy.extent(1); c += blockDim.x) {
      T sum = dtable(id, c);
      for (std::int32_t j = static_cast<std::int32_t>(i); j >= 0; j = next[j]) sum += dy(j, c);
      dtable(id, c) = sum;
    }
  }
}

template <class T>
void scatter(cuda, const cuda_executor& on, view<const T, 2, cuda> dy, view<const std::int32_t, 1, cuda> ids,
             view<T, 2, cuda> dtable, std::int32_t skip) {
  constexpr index few = 4;  // entries, of many rows each: token types
  const index rows = dy.extent(0);
  if (dtable.extent(0) <= few) {
    for (std::int32_t entry = 0; entry < dtable.extent(0); ++entry)
      if (entry != skip) sum_columns(on, "scatter_rows", rows, dy.extent(1), entry_terms<T>{dy, ids, dtable, entry});
    return;
  }
  const cuda_workspace<std::int32_t> chains(on, 2 * rows);
  std::int32_t *const next = chains.data(), *const has_former = next + rows;
  const view<std::int32_t, 2, cuda> former(has_former, 1, rows);
  fill_rows(cuda{}, on, std::int32_t{0}, former);
  const unsigned threads = threads_for(rows, threads_of_chains);
  launch(on, "scatter_rows", {blocks_for((rows + threads - 1) / threads), threads}, chain_rows_kernel<std::int32_t>,
         ids, next, has_former);
  launch(on, "scatter_rows", {blocks_for(rows), threads_for(dy.extent(1), threads_of_chains)}, add_chains_kernel<T>, dy,
         ids, dtable, skip, static_cast<const std::int32_t*>(next), static_cast<const std::int32_t*>(has_former));
}

}  // namespace limbeck::ops::detail
