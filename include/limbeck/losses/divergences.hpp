// Divergences between two class distributions, each one formula for one class; the kernels do the rest everywhere.
#pragma once

#include <concepts>

#include "limbeck/core/config.hpp"
#include "limbeck/core/math.hpp"

namespace limbeck {

/// One class in both distributions. T: float, double, or a vector of them. log_ratio = log_student - log_teacher, 0
/// where both rule the class out; +-infinity where one does. Where the rows nearly agree it is computed as
/// d - log1p(sum p_t * expm1(d)), d = (z - z_t) / temperature less its value at the rows' tops.
template <class T>
struct compared {
  T student, teacher, log_student, log_teacher;  // logs: (z - top) / temperature - log(sum), never of exp
  T log_ratio;

  /// student - teacher. Does not cancel where they agree, nor overflow where they do not.
  [[nodiscard]] LIMBECK_HD T gap() const {
    const T product = teacher * log_ratio;
    return where(close(), product + product * log_ratio * expm1_bend(log_ratio), student - teacher);
  }
  /// gap() - teacher * log_ratio: never negative, and does not cancel. The gaps sum to 0 over the classes, so these sum
  /// to KL(teacher || student).
  [[nodiscard]] LIMBECK_HD T forward_excess() const {
    const T product = teacher * log_ratio;
    return where(close(), product * log_ratio * expm1_bend(log_ratio),
                 student - teacher - where(teacher > T(0), product, T(0)));
  }
  /// student * log_ratio - gap(): never negative, and does not cancel. Sums to KL(student || teacher).
  [[nodiscard]] LIMBECK_HD T reverse_excess() const {
    const T product = student * log_ratio;
    return where(close(), product * log_ratio * expm1_bend(-log_ratio),
                 where(student > T(0), product, T(0)) - student + teacher);
  }

 private:
  // Where a difference of the probabilities would lose two bits or more; expm1_bend is right there.
  [[nodiscard]] LIMBECK_HD auto close() const { return abs(log_ratio) < T(0.25); }
};

/// One class's share of a divergence, and its slope with respect to log_student.
template <class T>
struct divergence_term {
  T value, slope;
  LIMBECK_HD divergence_term& operator+=(const divergence_term& other) {
    value += other.value;
    slope += other.slope;
    return *this;
  }
};

/// A sum over classes. Where it knows the sum of the slopes in closed form it says so with
/// `static constexpr double slope_sum`, and kernels drop a pass.
template <class D>
concept separable = std::copyable<D> && requires(const D& d, const compared<float>& c) {
  { d(c) } -> std::same_as<divergence_term<float>>;
};

/// KL(teacher || student), in nats (Hinton et al. 2015, arXiv:1503.02531). Infinite where the student rules out what
/// the teacher does not; the gradient stays finite.
struct forward_kl {
  static constexpr double slope_sum = 0;

  template <class T>
  [[nodiscard]] LIMBECK_HD divergence_term<T> operator()(const compared<T>& c) const {
    return {c.forward_excess(), c.gap()};
  }
};

/// Cross-entropy with the teacher's distribution as the target: forward_kl plus the teacher's entropy, with the same
/// gradient (Jiao et al. 2020, arXiv:1909.10351, equation 10). It cancels where forward_kl does not.
struct soft_label_cross_entropy {
  static constexpr double slope_sum = 0;

  template <class T>
  [[nodiscard]] LIMBECK_HD divergence_term<T> operator()(const compared<T>& c) const {
    const T gap = c.gap();  // sums to 0 over the classes
    return {gap - where(c.teacher > T(0), c.teacher * c.log_student, T(0)), gap};
  }
};

/// KL(student || teacher), in nats (Gu et al. 2024, arXiv:2306.08543). Infinite where the teacher rules out what the
/// student does not; such a class then has no part in the gradient, which stays finite.
struct reverse_kl {
  template <class T>
  [[nodiscard]] LIMBECK_HD divergence_term<T> operator()(const compared<T>& c) const {
    const T not_compared = where(c.log_ratio == c.log_ratio, T(0), c.log_ratio);  // a NaN stays one
    return {c.reverse_excess(), where(is_finite(c.log_ratio), c.student * c.log_ratio, not_compared)};
  }
};

}  // namespace limbeck
