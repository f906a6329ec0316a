// Rows of hidden states that take part in a loss, side by side whatever lies between them, and their projection.
#pragma once

#include <algorithm>
#include <string>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/losses/layer_attention.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/projection.hpp"
#include "limbeck/losses/representation.hpp"
#include "limbeck/ops/linear.hpp"

namespace limbeck::detail {

/// A row of the student's that counts, the teacher's that belongs to it, and the factor of its sample.
struct matched_row {
  index student, teacher, sample;
  double factor;
};
struct matched_rows_memory {};

/// The rows of samples whose factor scale * weight / count is not 0, in the calling thread's scratch: the first token
/// of each that has one, or every valid one.
template <class S, class U, class A, class G>
[[nodiscard]] view<const matched_row, 1> rows_matched(const signals<const S, cpu>& student,
                                                      const signals<const U, cpu>& teacher, token_choice tokens,
                                                      double count, const sink<A, cpu, G>& out) {
  const auto taken = [&](const sample_rows& s) {
    return tokens == token_choice::first ? std::min<index>(s.keys, 1) : s.keys;
  };
  index most = 1, found = 0;
  for (index i = 0; i < student.rows.extent(0); ++i) most += taken(student.rows(i));
  matched_row* const rows = thread_scratch<matched_rows_memory, matched_row>(most);
  for (index i = 0; i < student.rows.extent(0); ++i) {
    const double weight = out.weight.empty() ? 1 : static_cast<double>(out.weight(i));
    if (out.scale * weight == 0) continue;
    for (index r = 0; r < taken(student.rows(i)); ++r)
      rows[found++] = {student.rows(i).begin + r, teacher.rows(i).begin + r, i, out.scale * weight / count};
  }
  return view<const matched_row, 1>(rows, found);
}

/// Rows of a student's or a teacher's layer, next to each other: to [rows, width].
template <class S, class A>
void gather(view<const matched_row, 1> rows, index matched_row::*whose, view<const S, 2> from, view<A, 2> to) {
  for (index r = 0; r < rows.extent(0); ++r) {
    const S* const row = &from(rows(r).*whose, 0);
    for (index c = 0; c < to.extent(1); ++c) to(r, c) = static_cast<A>(row[c]);
  }
}
/// Adds to the student's rows what was computed for them.
template <class A, class G>
void scatter_add(view<const matched_row, 1> rows, view<const A, 2> from, view<G, 2> to) {
  for (index r = 0; r < rows.extent(0); ++r) {
    G* const row = &to(rows(r).student, 0);
    for (index c = 0; c < from.extent(1); ++c) row[c] = static_cast<G>(static_cast<A>(row[c]) + from(r, c));
  }
}

/// A matrix in the calling thread's memory of `Tag`, holding anything.
template <class Tag, class A>
[[nodiscard]] view<A, 2> scratch_matrix(index rows, index columns) {
  return view<A, 2>(thread_scratch<Tag, A>(std::max<index>(rows * columns, 1)), rows, columns);
}

/// y = x, or its projection to `width` columns in memory of `Tag`.
template <class Tag, class A>
[[nodiscard]] view<A, 2> projected(const auto&, const no_projection&, view<A, 2> x, index) {
  return x;
}
template <class Tag, class A>
[[nodiscard]] view<A, 2> projected(const auto& on, const linear_projection<A>& p, view<A, 2> x, index width) {
  const auto y = scratch_matrix<Tag, A>(x.extent(0), width);
  ops::linear(on, read_only(x), p.weight, p.bias, y);
  return y;
}
/// From the gradient of y to that of x, in memory of `Tag` and only if wanted; the projection's own is added where the
/// projection wants it.
template <class Tag, class A>
[[nodiscard]] view<A, 2> projected_back(const auto&, const no_projection&, view<A, 2>, view<A, 2> dy, bool) {
  return dy;
}
template <class Tag, class A>
[[nodiscard]] view<A, 2> projected_back(const auto& on, const linear_projection<A>& p, view<A, 2> x, view<A, 2> dy,
                                        bool wanted) {
  const view<A, 2> dx = wanted ? scratch_matrix<Tag, A>(x.extent(0), x.extent(1)) : view<A, 2>{};
  ops::linear_backward(on, read_only(x), p.weight, read_only(dy), p.weight_gradient, p.bias_gradient, dx);
  return dx;
}

}  // namespace limbeck::detail
