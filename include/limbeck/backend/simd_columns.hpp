// Rows of few numbers as a vector for each column, and back: what lets V::width rows be worked on at one time.
#pragma once

#include <algorithm>

#include "limbeck/backend/simd_memory.hpp"
#include "limbeck/backend/simd_vector.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {
namespace detail {

// The first `Columns` rows of the transposed square; of what the others need nothing is done.
template <int Columns, int Step, class T, int W>
LIMBECK_HD void columns_of(simd<T, W> (&square)[W]) {
#pragma GCC unroll 16
  for (int r = 0; r < (Columns > Step ? Columns : 2 * Step); ++r)
    if ((r & Step) == 0) exchange_lanes<Step>(square[r], square[r + Step], std::make_integer_sequence<int, W>{});
  if constexpr (Step > 1) columns_of<Columns, Step / 2>(square);
}

template <int Step, class T, int W, int... I>
LIMBECK_HD simd<T, W> swapped_lanes(const simd<T, W>& v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v.lanes, v.lanes, (I ^ Step)...);
}
// The other way round: the first `Columns` lanes of each row of the transposed square.
template <int Columns, int Step, class T, int W>
LIMBECK_HD void rows_of_columns(simd<T, W> (&square)[W]) {
#pragma GCC unroll 16
  for (int r = 0; r < (Columns > Step ? Columns : 2 * Step); ++r) {
    if ((r & Step) != 0) continue;
    if constexpr (Step < Columns)
      exchange_lanes<Step>(square[r], square[r + Step], std::make_integer_sequence<int, W>{});
    else
      square[r + Step] = swapped_lanes<Step>(square[r], std::make_integer_sequence<int, W>{});
  }
  if constexpr (2 * Step < W) rows_of_columns<Columns, 2 * Step>(square);
}

// Where lane I of column C of rows of `Columns` lies, for a look at vector Source: in that vector, in what was found in
// those before it, or nowhere yet.
template <int Columns, int W, int C, int Source, int I>
inline constexpr int column_lane = [] {
  constexpr int at = I * Columns + C;
  if (at / W == Source) return W + at % W;
  return Source == 1 && at < W ? at : at / W < Source ? I : -1;
}();
template <int Columns, int C, int Source, class T, int W, int... I>
LIMBECK_HD simd<T, W> column_among(const simd<T, W> (&rows)[Columns], const simd<T, W>& found,
                                   std::integer_sequence<int, I...> lanes) {
  const simd<T, W> more =
      __builtin_shufflevector(found.lanes, rows[Source].lanes, column_lane<Columns, W, C, Source, I>...);
  if constexpr (Source + 1 < Columns)
    return column_among<Columns, C, Source + 1>(rows, more, lanes);
  else
    return more;
}
// The other way round: lane I of vector P of the rows, for a look at column C.
template <int Columns, int W, int P, int C, int I>
inline constexpr int row_lane = [] {
  constexpr int at = P * W + I;
  if (at % Columns == C) return W + at / Columns;
  return C == 1 && at % Columns == 0 ? at / Columns : at % Columns < C ? I : -1;
}();
template <int Columns, int P, int C, class T, int W, int... I>
LIMBECK_HD simd<T, W> rows_among(const simd<T, W> (&columns)[Columns], const simd<T, W>& found,
                                 std::integer_sequence<int, I...> lanes) {
  const simd<T, W> more = __builtin_shufflevector(found.lanes, columns[C].lanes, row_lane<Columns, W, P, C, I>...);
  if constexpr (C + 1 < Columns)
    return rows_among<Columns, P, C + 1>(columns, more, lanes);
  else
    return more;
}

template <class V, int Columns, class S, class A, int... C>
LIMBECK_HD void dense_to_columns(const S* from, A* to, std::integer_sequence<int, C...>) {
  const V rows[Columns] = {load<V>(from + C * V::width)...};
  (store(to + C * V::width, column_among<Columns, C, 1>(rows, rows[0], std::make_integer_sequence<int, V::width>{})),
   ...);
}
template <class V, int Columns, class G, class A, int... C>
LIMBECK_HD void add_columns_to_dense(const A* from, G* to, std::integer_sequence<int, C...>) {
  const V columns[Columns] = {load<V>(from + C * V::width)...};
  (store(to + C * V::width,
         load<V>(static_cast<const G*>(to + C * V::width)) +
             rows_among<Columns, C, 1>(columns, columns[0], std::make_integer_sequence<int, V::width>{})),
   ...);
}

}  // namespace detail

namespace detail {
inline constexpr index most_few_columns = 5;
}
/// Whether rows that lie end to end are taken apart vector by vector, and nothing behind them is read.
[[nodiscard]] constexpr bool few_dense_columns(index columns) {
  return columns > 1 && columns <= detail::most_few_columns;
}

/// to[c * width + i] = from[i * step + c], for as many rows i as a vector has lanes and `columns` columns c >= 1. Where
/// there are fewer columns than lanes, a whole vector is read from each row on.
struct rows_to_columns {
  template <int Bytes, storable S, class A>
  LIMBECK_HD static void run(const S* from, index step, index columns, A* to) {
    using V = simd_of_bytes<A, Bytes>;
    constexpr index width = V::width;
    if (step == columns && few_dense_columns(columns)) return dense<V, 2>(from, columns, to);
    if (columns < width) return narrow<V, V::width>(from, step, columns, to);
    for (index c = 0;; c = std::min(c + width, columns - width)) {  // the last square ends where the columns do
      block<V, V::width>(from + c, step, width, to + c * width);
      if (c + width == columns) return;
    }
  }

 private:
  template <class V, int Columns, class S, class A>
  LIMBECK_HD static void dense(const S* from, index columns, A* to) {
    if (columns == Columns)
      detail::dense_to_columns<V, Columns>(from, to, std::make_integer_sequence<int, Columns>{});
    else if constexpr (Columns < detail::most_few_columns)
      dense<V, Columns + 1>(from, columns, to);
  }
  template <class V, int Columns, class S, class A>
  LIMBECK_HD static void narrow(const S* from, index step, index columns, A* to) {
    if constexpr (Columns > 2)
      if (2 * columns <= Columns) return narrow<V, Columns / 2>(from, step, columns, to);
    block<V, Columns>(from, step, columns, to);
  }
  template <class V, int Columns, class S, class A>
  LIMBECK_HD static void block(const S* from, index step, index columns, A* to) {
    V square[V::width];
#pragma GCC unroll 16
    for (int i = 0; i < V::width; ++i) square[i] = load<V>(from + i * step);
    detail::columns_of<Columns, V::width / 2>(square);
#pragma GCC unroll 16
    for (int c = 0; c < Columns; ++c)
      if (c < columns) store(to + c * V::width, square[c]);
  }
};

/// to[i * columns + c] += from[c * width + i], for as many rows i as a vector has lanes. `spare` holds as much as
/// `from` and a vector more, which may lie on `from`.
struct add_columns_to_rows {
  template <int Bytes, storable G, class A>
  LIMBECK_HD static void run(const A* from, index columns, A* spare, G* to) {
    using V = simd_of_bytes<A, Bytes>;
    constexpr index width = V::width;
    if (few_dense_columns(columns)) return dense<V, 2>(from, columns, to);
    if (columns < width) narrow<V, V::width>(from, columns, spare);
    for (index c = 0; c + width <= columns; c = c + width < columns ? std::min(c + width, columns - width) : columns)
      block<V, V::width>(from + c * width, width, columns, spare + c);
    for (index i = 0; i < columns * width; i += width)
      store(to + i, load<V>(static_cast<const G*>(to + i)) + load<V>(static_cast<const A*>(spare + i)));
  }

 private:
  template <class V, int Columns, class A, class G>
  LIMBECK_HD static void dense(const A* from, index columns, G* to) {
    if (columns == Columns)
      detail::add_columns_to_dense<V, Columns>(from, to, std::make_integer_sequence<int, Columns>{});
    else if constexpr (Columns < detail::most_few_columns)
      dense<V, Columns + 1>(from, columns, to);
  }
  template <class V, int Columns, class A>
  LIMBECK_HD static void narrow(const A* from, index columns, A* spare) {
    if constexpr (Columns > 2)
      if (2 * columns <= Columns) return narrow<V, Columns / 2>(from, columns, spare);
    block<V, Columns>(from, columns, columns, spare);
  }
  // Row after row, so that a row overwrites what the one before it left behind its columns.
  template <class V, int Columns, class A>
  LIMBECK_HD static void block(const A* from, index columns, index step, A* to) {
    V square[V::width];
#pragma GCC unroll 16
    for (int c = 0; c < Columns; ++c) square[c] = c < columns ? load<V>(from + c * V::width) : V(A(0));
    detail::rows_of_columns<Columns, 1>(square);
#pragma GCC unroll 16
    for (int i = 0; i < V::width; ++i) store(to + i * step, square[i]);
  }
};

}  // namespace limbeck
