// What a divergence sees of one class, and what it says of it.
#pragma once

#include <concepts>
#include <limits>

#include "limbeck/core/config.hpp"
#include "limbeck/core/math.hpp"

namespace limbeck {

/// The logarithms of a class's share in a mixture of both distributions, over the teacher's and over the student's.
template <class T>
struct mixture_logs {
  T over_teacher, over_student;
};

/// One class in both distributions. T: float, double, or a vector of them. log_ratio = log_student - log_teacher, 0
/// where both rule the class out; +-infinity where one does. Where the rows nearly agree it is computed as
/// d - log1p(sum p_t * expm1(d)), d = (z - z_t) / temperature less its value at the rows' tops.
template <class T>
struct compared {
  T student, teacher, log_student, log_teacher;  // logs: (z - top) / temperature - log(sum), never of exp
  T log_ratio;

  /// Where a difference of the probabilities would lose two bits or more; expm1_bend is right there.
  [[nodiscard]] LIMBECK_HD constexpr auto close() const { return abs(log_ratio) < T(0.25); }

  /// student - teacher. Does not cancel where they agree, nor overflow where they do not.
  [[nodiscard]] LIMBECK_HD constexpr T gap() const {
    const T product = teacher * log_ratio;
    return where(close(), product + product * log_ratio * expm1_bend(log_ratio), student - teacher);
  }
  /// gap() - teacher * log_ratio: never negative, and does not cancel. The gaps sum to 0 over the classes, so these sum
  /// to KL(teacher || student).
  [[nodiscard]] LIMBECK_HD constexpr T forward_excess() const {
    const T product = teacher * log_ratio;
    return where(close(), product * log_ratio * expm1_bend(log_ratio),
                 student - teacher - where(teacher > T(0), product, T(0)));
  }
  /// student * log_ratio - gap(): never negative, and does not cancel. Sums to KL(student || teacher).
  [[nodiscard]] LIMBECK_HD constexpr T reverse_excess() const {
    const T product = student * log_ratio;
    return where(close(), product * log_ratio * expm1_bend(-log_ratio),
                 where(student > T(0), product, T(0)) - student + teacher);
  }

  /// Of m = of_teacher * teacher + (1 - of_teacher) * student, 0 < of_teacher < 1. Both are 0 where both rule the class
  /// out, and finite where one does.
  [[nodiscard]] LIMBECK_HD constexpr mixture_logs<T> mixture(double of_teacher) const {
    return has_even_shares(of_teacher) ? even_mixture(T(1 - of_teacher)) : uneven_mixture(of_teacher);
  }
  /// m itself, from the one of the large share: the other's cancels least there.
  [[nodiscard]] LIMBECK_HD constexpr T mixed(double of_teacher) const {
    return of_teacher < 0.5 ? student - T(of_teacher) * gap() : teacher + T(1 - of_teacher) * gap();
  }
  /// Whether even_mixture() keeps its digits.
  [[nodiscard]] LIMBECK_HD static constexpr bool has_even_shares(double of_teacher) {
    return of_teacher >= 1.0 / 16 && of_teacher <= 15.0 / 16;
  }
  /// mixture() without a branch, where has_even_shares().
  [[nodiscard]] LIMBECK_HD constexpr mixture_logs<T> even_mixture(const T& of_student) const {
    const T size = min(abs(log_ratio), T(1e4));  // more than the logarithm of any ratio of numbers
    const auto more = log_ratio > T(0);          // in the student
    const T of_larger = log1p_below_zero(where(more, T(1) - of_student, of_student) * expm1_below_zero(-size));
    const T of_smaller = of_larger + size;
    return {where(more, of_smaller, of_larger), where(more, of_larger, of_smaller)};
  }
  /// mixture() where one share is tiny: over the larger of both m cancels where that one has the tiny share, over the
  /// one of the large share it never does. Shares below 1e-12 are too small for double.
  [[nodiscard]] LIMBECK_HD constexpr mixture_logs<T> uneven_mixture(double of_teacher) const {
    const bool of_student = of_teacher < 0.5;  // the large share
    const double weight = of_student ? of_teacher : 1 - of_teacher;
    const T& large = of_student ? student : teacher;
    const T towards = of_student ? T(-1) : T(1), far(45);
    const T ratio = max(min(towards * log_ratio, T(1e4)), T(-1e4));  // of the other over it
    const T of_large = T(weight) * towards * gap() / where(large == T(0), T(1), large);
    const T log_of_m =
        log1p(where(ratio > far, T(weight * 3.4934271057485095e19), of_large));  // beyond e^45 m is the other's
    const T over_large = log_of_m + max(ratio - far, T(0)), over_other = log_of_m - min(ratio, far);
    return of_student ? mixture_logs<T>{over_other, over_large} : mixture_logs<T>{over_large, over_other};
  }
  /// teacher * log(teacher / m) - (teacher - m), by the mixture's logs: never negative, and does not cancel. Sums to
  /// KL(teacher || m).
  [[nodiscard]] LIMBECK_HD constexpr T teacher_excess(const mixture_logs<T>& m, const T& of_student) const {
    const T product = teacher * m.over_teacher;
    return where(abs(m.over_teacher) < T(0.25), product * m.over_teacher * expm1_bend(m.over_teacher),
                 of_student * gap() - product);
  }
  /// student * log(student / m) - (student - m), likewise. Sums to KL(student || m).
  [[nodiscard]] LIMBECK_HD constexpr T student_excess(const mixture_logs<T>& m, const T& of_teacher) const {
    const T product = student * m.over_student;
    return where(abs(m.over_student) < T(0.25), product * m.over_student * expm1_bend(m.over_student),
                 -of_teacher * gap() - product);
  }
};

/// One class's share of a divergence, and its slope with respect to log_student.
template <class T>
struct divergence_term {
  T value, slope;
  LIMBECK_HD constexpr divergence_term& operator+=(const divergence_term& other) {
    value += other.value;
    slope += other.slope;
    return *this;
  }
};

/// A sum over classes. Where it knows the sum of the slopes in closed form it says so with
/// `static constexpr double slope_sum`, and kernels drop a pass. One that has parameters may say with
/// `void check() const` which it takes; it is called before any work. One that branches on them may offer a
/// `common_form()` without branches, which kernels take where `is_common()`.
template <class D>
concept separable = std::copyable<D> && requires(const D& d, const compared<float>& c) {
  { d(c) } -> std::same_as<divergence_term<float>>;
};

}  // namespace limbeck
