// The affine map of each row: y = x W' + b, and its gradients.
#pragma once

#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/ops/matmul.hpp"
#if defined(__CUDACC__)
#include "limbeck/ops/linear_cuda.hpp"
#else
#include "limbeck/ops/linear_cpu.hpp"
#endif

namespace limbeck::ops {

/// y = x W' + bias for x [rows, in], W [out, in], bias [out] or empty, y [rows, out].
template <launchable E, class T, backend B = backend_of<E>>
void linear(const E& on, view<const T, 2, B> x, view<const T, 2, B> weight, view<const T, 1, B> bias, view<T, 2, B> y) {
  expects(bias.empty() || bias.extent(0) == y.extent(1),
          [&] { return message("linear: bias ", shape_text(bias), " does not fit the result ", shape_text(y)); });
  if (bias.empty()) return matmul(on, x, transposed(weight), y);
  detail::expects_product(x, transposed(weight), y);
  if (y.count() > 0) detail::multiply_biased(B{}, on, x, transposed(weight), bias, y);
}

/// y += row in each of its rows, for row [columns] and y [rows, columns] whose rows have no gaps.
template <launchable E, class T, backend B = backend_of<E>>
void add_to_rows(const E& on, view<const T, 1, B> row, view<T, 2, B> y) {
  expects(row.extent(0) == y.extent(1),
          [&] { return message("add_to_rows: row ", shape_text(row), " for a matrix ", shape_text(y)); });
  detail::add_to_rows(B{}, on, row, y);
}

/// sums += the sums of x's columns, for x [rows, columns] and sums [columns].
template <launchable E, class T, backend B = backend_of<E>>
void add_column_sums(const E& on, view<const T, 2, B> x, view<T, 1, B> sums) {
  expects(sums.extent(0) == x.extent(1),
          [&] { return message("add_column_sums: sums ", shape_text(sums), " for a matrix ", shape_text(x)); });
  detail::add_column_sums(B{}, on, x, sums);
}

/// What flows back through linear(): dx = dy W (or dx += dy W with `add`; skipped where dx is empty), dW += dy' x,
/// dbias += column sums of dy, each skipped where empty.
template <launchable E, class T, backend B = backend_of<E>>
void linear_backward(const E& on, view<const T, 2, B> x, view<const T, 2, B> weight, view<const T, 2, B> dy,
                     view<T, 2, B> dweight, view<T, 1, B> dbias, view<T, 2, B> dx, bool add = false) {
  if (!dx.empty()) matmul(on, dy, weight, dx, T(1), add ? T(1) : T(0));
  if (!dweight.empty()) matmul(on, transposed(dy), x, dweight, T(1), T(1));
  if (!dbias.empty()) add_column_sums(on, dy, dbias);
}

}  // namespace limbeck::ops
