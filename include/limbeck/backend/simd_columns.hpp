// Rows of few numbers as a vector for each column, and back: what lets V::width rows be worked on at one time.
#pragma once

#include <algorithm>
#include <utility>

#include "limbeck/backend/simd_memory.hpp"
#include "limbeck/backend/simd_vector.hpp"
#include "limbeck/core/view.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

namespace limbeck {
namespace detail {

// On the compilers' own vectors: as simd these many small steps would take sanitizers minutes to compile.
template <int W>
using lane_sequence = std::make_integer_sequence<int, W>;

// Exchanges the lanes whose numbers differ in the bit Step between rows whose numbers do.
template <int Step, class R, int... I>
LIMBECK_HD void exchange(R& upper, R& lower, std::integer_sequence<int, I...>) {
  constexpr int width = sizeof...(I);
  const R a = upper, b = lower;
  upper = __builtin_shufflevector(a, b, ((I & Step) == 0 ? I : width + I - Step)...);
  lower = __builtin_shufflevector(a, b, ((I & Step) == 0 ? I + Step : width + I)...);
}
// The first `Columns` rows of the transposed square; of what the others need nothing is done.
template <int Columns, int Step, class R, int W>
LIMBECK_HD void columns_of(R (&square)[W]) {
#pragma GCC unroll 16
  for (int r = 0; r < (Columns > Step ? Columns : 2 * Step); ++r)
    if ((r & Step) == 0) exchange<Step>(square[r], square[r + Step], lane_sequence<W>{});
  if constexpr (Step > 1) columns_of<Columns, Step / 2>(square);
}
// The other way round: the first `Columns` lanes of each row of the transposed square. What is in the rows behind
// `Columns` goes to other lanes.
template <int Columns, int Step, class R, int W>
LIMBECK_HD void rows_of_columns(R (&square)[W]) {
#pragma GCC unroll 16
  for (int r = 0; r < (Columns > Step ? Columns : 2 * Step); ++r)
    if ((r & Step) == 0) exchange<Step>(square[r], square[r + Step], lane_sequence<W>{});
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
template <int Columns, int C, int Source, class R, int... I>
LIMBECK_HD void find_column(const R (&rows)[Columns], R& found, std::integer_sequence<int, I...> lanes) {
  found = __builtin_shufflevector(found, rows[Source], column_lane<Columns, sizeof...(I), C, Source, I>...);
  if constexpr (Source + 1 < Columns) find_column<Columns, C, Source + 1>(rows, found, lanes);
}
// The other way round: lane I of vector P of the rows, for a look at column C.
template <int Columns, int W, int P, int C, int I>
inline constexpr int row_lane = [] {
  constexpr int at = P * W + I;
  if (at % Columns == C) return W + at / Columns;
  return C == 1 && at % Columns == 0 ? at / Columns : at % Columns < C ? I : -1;
}();
template <int Columns, int P, int C, class R, int... I>
LIMBECK_HD void find_rows(const R (&columns)[Columns], R& found, std::integer_sequence<int, I...> lanes) {
  found = __builtin_shufflevector(found, columns[C], row_lane<Columns, sizeof...(I), P, C, I>...);
  if constexpr (C + 1 < Columns) find_rows<Columns, P, C + 1>(columns, found, lanes);
}

inline constexpr index most_few_columns = 4;

// Asks for memory some groups ahead of one of `count` numbers; of longer ones the processor sees enough itself.
template <class T>
LIMBECK_HD void ask_ahead(const T* p, index count) {
  constexpr index ahead = 4096, line = 64;
  const index bytes = count * static_cast<index>(sizeof(T));
  if (bytes <= ahead / 2)
    for (index at = ahead; at < ahead + bytes; at += line) __builtin_prefetch(reinterpret_cast<const char*>(p) + at);
}

}  // namespace detail

/// Whether rows that lie end to end are taken apart vector by vector, and nothing behind them is read.
[[nodiscard]] constexpr bool few_dense_columns(index columns) {
  return columns > 1 && columns <= detail::most_few_columns;
}

/// to[c * width + i] = from[i * step + c], for as many rows i as a vector has lanes and `columns` columns c >= 1; then
/// for the next rows, `groups` times. Where there are fewer columns than lanes, a whole vector is read from each row
/// on.
struct rows_to_columns {
  template <int Bytes, storable S, class A>
  LIMBECK_HD static void run(const S* from, index step, index columns, A* to, int groups) {
    using V = simd_of_bytes<A, Bytes>;
    for (int g = 0; g < groups; ++g) {
      const S* first = from + g * V::width * step;
      detail::ask_ahead(first, V::width * step);
      group<V>(first, step, columns, to + g * V::width * columns);
    }
  }

 private:
  template <class V, class S, class A>
  LIMBECK_HD static void group(const S* from, index step, index columns, A* to) {
    constexpr index width = V::width;
    if (step == columns && few_dense_columns(columns)) return dense<V, 2>(from, columns, to);
    if (2 * columns <= width) return block<V, V::width / 2>(from, step, columns, to);
    if (columns < width) return block<V, V::width>(from, step, columns, to);
    for (index c = 0;; c = std::min(c + width, columns - width)) {  // the last square ends where the columns do
      block<V, V::width>(from + c, step, width, to + c * width);
      if (c + width == columns) return;
    }
  }
  template <class V, int Columns, class S, class A>
  LIMBECK_HD static void block(const S* from, index step, index columns, A* to) {
    typename V::vector square[V::width];
#pragma GCC unroll 16
    for (int i = 0; i < V::width; ++i) square[i] = load<V>(from + i * step).lanes;
    detail::columns_of<Columns, V::width / 2>(square);
#pragma GCC unroll 16
    for (int c = 0; c < Columns; ++c)
      if (c < columns) store(to + c * V::width, V(square[c]));
  }
  template <class V, int Columns, class S, class A>
  LIMBECK_HD static void dense(const S* from, index columns, A* to) {
    if (columns == Columns)
      take_apart<V>(from, to, detail::lane_sequence<Columns>{});
    else if constexpr (Columns < detail::most_few_columns)
      dense<V, Columns + 1>(from, columns, to);
  }
  template <class V, class S, class A, int... C>
  LIMBECK_HD static void take_apart(const S* from, A* to, std::integer_sequence<int, C...>) {
    constexpr int columns = sizeof...(C);
    const typename V::vector rows[columns] = {load<V>(from + C * V::width).lanes...};
    typename V::vector found[columns] = {(void(C), rows[0])...};
    (detail::find_column<columns, C, 1>(rows, found[C], detail::lane_sequence<V::width>{}), ...);
    (store(to + C * V::width, V(found[C])), ...);
  }
};

/// to[i * columns + c] += from[c * width + i], for as many rows i as a vector has lanes; then for the next rows,
/// `groups` times. `spare` holds what a group does and a vector more.
struct add_columns_to_rows {
  template <int Bytes, storable G, class A>
  LIMBECK_HD static void run(const A* from, index columns, A* spare, G* to, int groups) {
    using V = simd_of_bytes<A, Bytes>;
    for (int g = 0; g < groups; ++g) {
      const index at = g * V::width * columns;
      detail::ask_ahead(to + at, V::width * columns);
      group<V>(from + at, columns, spare, to + at);
    }
  }

 private:
  template <class V, class G, class A>
  LIMBECK_HD static void group(const A* from, index columns, A* spare, G* to) {
    constexpr index width = V::width;
    if (few_dense_columns(columns)) return dense<V, 2>(from, columns, to);
    if (2 * columns <= width)
      block<V, V::width / 2>(from, columns, columns, spare);
    else if (columns < width)
      block<V, V::width>(from, columns, columns, spare);
    for (index c = 0; c + width <= columns; c = c + width < columns ? std::min(c + width, columns - width) : columns)
      block<V, V::width>(from + c * width, width, columns, spare + c);
    add_numbers::run<sizeof(V)>(static_cast<const A*>(spare), columns * width, to);
  }

  // Row after row, so that a row overwrites what the one before it left behind its columns.
  template <class V, int Columns, class A>
  LIMBECK_HD static void block(const A* from, index columns, index step, A* to) {
    typename V::vector square[V::width];
#pragma GCC unroll 16
    for (int c = 0; c < V::width; ++c)
      square[c] = c < Columns && c < columns ? load<V>(from + c * V::width).lanes : typename V::vector{};
    detail::rows_of_columns<Columns, 1>(square);
#pragma GCC unroll 16
    for (int i = 0; i < V::width; ++i) store(to + i * step, V(square[i]));
  }
  template <class V, int Columns, class A, class G>
  LIMBECK_HD static void dense(const A* from, index columns, G* to) {
    if (columns == Columns)
      put_together<V>(from, to, detail::lane_sequence<Columns>{});
    else if constexpr (Columns < detail::most_few_columns)
      dense<V, Columns + 1>(from, columns, to);
  }
  template <class V, class A, class G, int... C>
  LIMBECK_HD static void put_together(const A* from, G* to, std::integer_sequence<int, C...>) {
    constexpr int count = sizeof...(C);
    const typename V::vector columns[count] = {load<V>(from + C * V::width).lanes...};
    typename V::vector found[count] = {(void(C), columns[0])...};
    (detail::find_rows<count, C, 1>(columns, found[C], detail::lane_sequence<V::width>{}), ...);
    (store(to + C * V::width, load<V>(static_cast<const G*>(to + C * V::width)) + V(found[C])), ...);
  }
};

}  // namespace limbeck

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
