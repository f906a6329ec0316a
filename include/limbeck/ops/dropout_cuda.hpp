// Dropout on a device: the same words as on the host, a position of Philox for each four columns.
#pragma once

#include "limbeck/backend/cuda_fours.hpp"
#include "limbeck/ops/dropping.hpp"

namespace limbeck::ops::detail {

/// Four columns of a row of a matrix of `columns`, from column c on: 0 where they are dropped, even if x is NaN.
template <class T>
[[nodiscard]] LIMBECK_HD four<T> dropped_four(const dropping<T>& d, index r, index c, index columns, const four<T>& x) {
  if (d.none()) return x;
  const random_words words = d.stream.at(d.row_start(r, columns) + static_cast<std::uint32_t>(c / 4));
  four<T> kept;
  for (int i = 0; i < 4; ++i) kept.at[i] = words.word[i] < d.threshold ? T(0) : x.at[i] * d.scale;
  return kept;
}

/// The same of row r of x, added to that of `base` where this is not empty.
template <class T>
[[nodiscard]] LIMBECK_HD four<T> dropped_onto(const dropping<T>& d, const view<const T, 2, cuda>& x,
                                              const view<const T, 2, cuda>& base, index r, index c, index here) {
  four<T> made = dropped_four(d, r, c, x.extent(1), load_four(row_at(x, r, c), here));
  if (base.empty()) return made;
  const four<T> under = load_four(row_at(base, r, c), here);
  for (int i = 0; i < 4; ++i) made.at[i] = under.at[i] + made.at[i];
  return made;
}

struct dropout_fours {
  template <class T>
  __device__ void operator()(index r, index c, index here, const dropping<T>& d, const view<const T, 2, cuda>& x,
                             const view<const T, 2, cuda>& base, const view<T, 2, cuda>& y) const {
    store_four(row_at(y, r, c), here, dropped_onto(d, x, base, r, c, here));
  }
};

/// y = dropout(x), or base + dropout(x) where base is not empty.
template <class T>
void dropout_rows(cuda, const cuda_executor& on, const dropping<T>& d, view<const T, 2, cuda> x,
                  view<const T, 2, cuda> base, view<T, 2, cuda> y) {
  for_fours(on, "dropout", x.extent(0), x.extent(1), dropout_fours{}, d, x, base, y);
}

}  // namespace limbeck::ops::detail
