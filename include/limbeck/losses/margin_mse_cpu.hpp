// Squared differences of margins, on the host.
#pragma once

#include <limits>

#include "limbeck/losses/label_rows.hpp"
#include "limbeck/losses/row_groups_cpu.hpp"

namespace limbeck::detail {

/// What a row's student lacks of its teacher's margin, in double.
template <class Rows>
struct row_margins {
  const Rows& rows;
  index row, relevant;

  [[nodiscard]] bool is_candidate(index c) const {
    return static_cast<double>(rows.teacher(row, c)) != -std::numeric_limits<double>::infinity();
  }
  [[nodiscard]] bool is_other(index c) const { return c != relevant && is_candidate(c); }
  [[nodiscard]] double operator()(index c) const {
    const auto margin = [&](const auto& logits) {
      return static_cast<double>(logits(row, relevant)) - static_cast<double>(logits(row, c));
    };
    return margin(rows.student) - margin(rows.teacher);
  }
};

template <class S, class U, class A, class G>
void margin_row(const logit_rows<S, U, A, cpu, G>& rows, index row, index relevant) {
  const row_margins<logit_rows<S, U, A, cpu, G>> lacking{rows, row, relevant};
  if (!lacking.is_candidate(relevant)) return;
  double sum = 0, squares = 0;
  index others = 0;
  for (index c = 0; c < rows.classes; ++c) {
    if (!lacking.is_other(c)) continue;
    const double d = lacking(c);
    sum += d;
    squares += d * d;
    ++others;
  }
  if (others == 0) return;
  const double factor = static_cast<double>(rows.factor(row)) / static_cast<double>(others);
  if (!rows.values.empty()) rows.values(rows.sample(row)) += static_cast<A>(factor * squares);
  if (rows.gradients.empty()) return;
  const auto add = [&](index c, double slope) {
    G& place = rows.gradients(row, c);
    place = static_cast<G>(static_cast<double>(place) + slope);
  };
  add(relevant, 2 * factor * sum);
  for (index c = 0; c < rows.classes; ++c)
    if (lacking.is_other(c)) add(c, -2 * factor * lacking(c));
}

template <class S, class U, class A, class G>
void margin_rows(cpu, const auto& on, const label_rows<cpu>& relevant, const logit_rows<S, U, A, cpu, G>& rows) {
  for_row_ranges(on, rows, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      if (rows.fresh) clear_row(rows.gradients, i, 0, rows.classes);
      if (rows.factor(i) == A(0) || (!relevant.labels.empty() && !relevant(i))) continue;
      margin_row(rows, i, relevant.labels.empty() ? index{0} : relevant.labels(i));
    }
  });
}

}  // namespace limbeck::detail
