// Whether a divergence's slope is the derivative of its value: at compile time, for a divergence that allows it.
#pragma once

#include <algorithm>
#include <limits>

#include "limbeck/core/constant_math.hpp"
#include "limbeck/losses/compared.hpp"

namespace limbeck {
namespace detail {

/// Logits of three classes in student and teacher, at temperature 1.
struct small_row {
  static constexpr int classes = 3;
  constant_number student[classes], teacher[classes];

  [[nodiscard]] static constexpr constant_number log_sum(const constant_number (&z)[classes]) {
    return log(exp(z[0]) + exp(z[1]) + exp(z[2]));
  }
};

/// A divergence of two rows: its value, and its gradient as kernels make it of slopes.
struct small_outcome {
  constant_number value, slope_sum, gradient[small_row::classes];

  template <class D>
  [[nodiscard]] static constexpr small_outcome of(const D& divergence, const small_row& row) {
    const constant_number of_student = small_row::log_sum(row.student), of_teacher = small_row::log_sum(row.teacher);
    small_outcome out;
    constant_number q[small_row::classes];
    for (int c = 0; c < small_row::classes; ++c) {
      const constant_number log_student = row.student[c] - of_student, log_teacher = row.teacher[c] - of_teacher;
      q[c] = exp(log_student);
      const auto term = divergence(
          compared<constant_number>{q[c], exp(log_teacher), log_student, log_teacher, log_student - log_teacher});
      out.value += term.value;
      out.slope_sum += term.slope;
      out.gradient[c] = term.slope;
    }
    for (int c = 0; c < small_row::classes; ++c) out.gradient[c] -= q[c] * out.slope_sum;
    return out;
  }
};

/// The value's central difference by the student's logit c, of fourth order.
template <class D>
[[nodiscard]] constexpr constant_number small_difference(const D& divergence, const small_row& row, int c) {
  constexpr double h = 1e-3;
  const auto at = [&](double moved) {
    small_row other = row;
    other.student[c] += constant_number(moved);
    return small_outcome::of(divergence, other).value;
  };
  return (constant_number(8) * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / constant_number(12 * h);
}

/// Rows that nearly agree, that do not, and that are far apart.
inline constexpr small_row small_rows[] = {
    {{0.3, -0.2, 0.9}, {0.3, -0.2, 0.9}}, {{0.5, -1.0, 0.1}, {0.52, -1.03, 0.08}}, {{1.0, 0.0, -1.0}, {-0.5, 0.7, 0.3}},
    {{-2.0, 3.0, 0.5}, {1.5, -1.0, 2.0}}, {{4.0, -3.0, 0.0}, {-4.0, 1.0, 2.5}},
};

}  // namespace detail

/// The largest difference between the gradient that a divergence's slopes mean and central differences of its value,
/// over rows that nearly agree and rows that do not, relative to 1 at least; and between its slope_sum, if it has one,
/// and the sum of its slopes. About 1e-10 where both fit. NaN counts as the largest double.
template <separable D>
[[nodiscard]] constexpr double divergence_error(const D& divergence) {
  double worst = 0;
  const auto count = [&](constant_number got, constant_number wanted) {
    const double size = std::max(1.0, abs(wanted).value), error = abs(got - wanted).value / size;
    worst = error <= worst ? worst : error == error ? error : std::numeric_limits<double>::max();
  };
  for (const detail::small_row& row : detail::small_rows) {
    const auto got = detail::small_outcome::of(divergence, row);
    for (int c = 0; c < detail::small_row::classes; ++c)
      count(got.gradient[c], detail::small_difference(divergence, row, c));
    if constexpr (requires { D::slope_sum; }) count(got.slope_sum, constant_number(D::slope_sum));
  }
  return worst;
}

/// Whether a divergence of one's own is consistent: `static_assert(check_divergence(mine{}))` if its call operator is
/// constexpr, otherwise in a test. What it cannot see: a value that is another one than was meant.
template <separable D>
[[nodiscard]] constexpr bool check_divergence(const D& divergence) {
  return divergence_error(divergence) < 1e-7;
}

}  // namespace limbeck
