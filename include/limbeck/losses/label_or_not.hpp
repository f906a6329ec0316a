// The formulas of losses that look at a row's label and at the other classes apart, for the host and for a device.
#pragma once

#include "limbeck/core/config.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/compared.hpp"
#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/label_rows.hpp"

namespace limbeck::detail {

/// The label against all other classes together, as a distribution over two.
template <class T>
struct label_or_not {
  compared<T> label, others;

  /// KL(teacher || student) over the two.
  [[nodiscard]] LIMBECK_HD T divergence() const { return forward_kl{}(label).value + forward_kl{}(others).value; }
  /// Its slope with respect to the label's logit; the other classes share the opposite by their probabilities.
  [[nodiscard]] LIMBECK_HD T pull() const { return forward_kl{}(label).slope; }

  /// By the label's log-odds in student and teacher, and their difference, which is right where they nearly agree.
  LIMBECK_HD static label_or_not of(const T& student_odds, const T& teacher_odds, const T& difference) {
    label_or_not both;
    take_side(student_odds, both.label.student, both.label.log_student, both.others.student, both.others.log_student);
    take_side(teacher_odds, both.label.teacher, both.label.log_teacher, both.others.teacher, both.others.log_teacher);
    const T d = where(both.label.student + both.label.teacher == T(0), T(0), difference);
    const auto more = d > T(0);  // of the label in the student
    const T scale = log1p(where(more, both.others.teacher, both.label.teacher) * expm1(-abs(d)));
    both.label.log_ratio = where(more, -scale, d - scale);
    const T of_others = where(more, -d - scale, -scale);
    both.others.log_ratio = where(is_finite(d), of_others, both.others.log_student - both.others.log_teacher);
    return both;
  }

 private:
  LIMBECK_HD static void take_side(const T& odds, T& label, T& log_label, T& others, T& log_others) {
    const T less = exp(-abs(odds)), log_sum = log1p(less), larger = T(1) / (T(1) + less);
    label = where(odds > T(0), larger, less * larger);
    others = where(odds > T(0), less * larger, larger);
    log_label = min(odds, T(0)) - log_sum;
    log_others = min(-odds, T(0)) - log_sum;
  }
};

/// of_label * KL of label_or_not + of_others * the divergence of the other classes' distributions.
template <class A, class D, backend B>
struct decoupled_terms {
  label_rows<B> given;
  A temperature, of_label, of_others;
  D divergence;
};

/// weight * surprise, surprise being -log of the student's probability, which may be infinite: 0 for a weight of 0.
template <class V>
[[nodiscard]] LIMBECK_HD V weighted_surprise(const V& weight, const V& surprise) {
  return where(weight > V(0), weight * surprise, weight);
}

}  // namespace limbeck::detail
