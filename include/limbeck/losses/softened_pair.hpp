// Two rows of logits as distributions at a temperature: the formulas that every kernel makes compared<T> from.
#pragma once

#include "limbeck/core/config.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/compared.hpp"

namespace limbeck::detail {

/// V: float, double, or a vector of them. Filled in as a kernel gets to know its rows: the tops, the sums and the
/// range, then the drift.
template <class V>
struct softened_pair {
  V inverse_temperature, student_top, teacher_top;  // the largest logit of each row
  V student_sum, teacher_sum, student_scale, teacher_scale;
  V farthest;  // the largest size of apart()
  V drift;     // what log_ratio is less than apart(): log(sum p_t * exp(apart))

  /// What the exponential is taken of; never above 0.
  [[nodiscard]] LIMBECK_HD V student_exponent(const V& z) const { return (z - student_top) * inverse_temperature; }
  [[nodiscard]] LIMBECK_HD V teacher_exponent(const V& z) const { return (z - teacher_top) * inverse_temperature; }
  /// The difference of a class's softened logits less that of the tops; `difference` is z - z_t. NaN where both rule
  /// the class out.
  [[nodiscard]] LIMBECK_HD V apart(const V& difference) const {
    return (difference - (student_top - teacher_top)) * inverse_temperature;
  }
  /// After the sums: the least and the most that z - z_t is among the classes that not both rule out. A row with a NaN
  /// agrees with none.
  LIMBECK_HD void take_range(const V& least, const V& most) {
    farthest = max(abs(apart(least)), abs(apart(most))) + V(0) * student_sum;
  }
  /// Whether rows agree so far, by what is the farthest of theirs, that log(student_sum / teacher_sum) would lose
  /// digits.
  [[nodiscard]] LIMBECK_HD static auto is_near(const V& farthest) { return farthest < V(0.25); }
  [[nodiscard]] LIMBECK_HD auto nearly_agree() const { return is_near(farthest); }

  /// Sums of the exponentials.
  LIMBECK_HD void take_sums(const V& of_student, const V& of_teacher) {
    student_sum = of_student;
    teacher_sum = of_teacher;
    student_scale = V(1) / student_sum;
    teacher_scale = V(1) / teacher_sum;
  }
  /// A class's share of what take_drift() takes, by its probability; for rows that nearly agree only.
  [[nodiscard]] LIMBECK_HD static V moved(const V& teacher, const V& d) {
    return where(d == d, teacher * (d + d * d * expm1_bend(d)), V(0));
  }
  /// sum_moved: anything for rows that do not nearly agree. One logarithm for both kinds of rows.
  LIMBECK_HD void take_drift(const V& sum_moved) {
    const V moved_to = V(1) + sum_moved, lost = sum_moved - (moved_to - V(1));  // by rounding
    const V ratio = where(nearly_agree(), moved_to, student_sum * teacher_scale);
    drift = log(ratio) + where(nearly_agree(), lost * (V(2) - ratio), V(0));  // 2 - ratio: 1 / ratio, so near 1
  }

  /// A class of logits z and zt, given the exponentials of its exponents and apart() of it.
  [[nodiscard]] LIMBECK_HD compared<V> at(const V& z, const V& zt, const V& student_exp, const V& teacher_exp,
                                          const V& d) const {
    const V student = student_exp * student_scale, teacher = teacher_exp * teacher_scale;
    return {student, teacher, student_exponent(z) - log(student_sum), teacher_exponent(zt) - log(teacher_sum),
            where(student + teacher == V(0), V(0), d - drift)};
  }
  [[nodiscard]] LIMBECK_HD compared<V> at(const V& z, const V& zt) const {
    return at(z, zt, exp(student_exponent(z)), exp(teacher_exponent(zt)), apart(z - zt));
  }
};

/// From the slope with respect to log_student to that with respect to the softened logit: the softmax's derivative.
/// slope_sum: over the row's classes.
template <class V>
[[nodiscard]] LIMBECK_HD V logit_slope(const V& slope, const V& student, const V& slope_sum) {
  return slope - student * slope_sum;
}

}  // namespace limbeck::detail
