// Divergences between two class distributions, each one formula for one class; the kernels do the rest everywhere.
#pragma once

#include "limbeck/core/config.hpp"
#include "limbeck/core/error.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/compared.hpp"

namespace limbeck {

/// KL(teacher || student), in nats (Hinton et al. 2015, arXiv:1503.02531). Infinite where the student rules out what
/// the teacher does not; the gradient stays finite.
struct forward_kl {
  static constexpr double slope_sum = 0;

  template <class T>
  [[nodiscard]] LIMBECK_HD constexpr divergence_term<T> operator()(const compared<T>& c) const {
    return {c.forward_excess(), c.gap()};
  }
};

/// Cross-entropy with the teacher's distribution as the target: forward_kl plus the teacher's entropy, with the same
/// gradient (Jiao et al. 2020, arXiv:1909.10351, equation 10). It cancels where forward_kl does not.
struct soft_label_cross_entropy {
  static constexpr double slope_sum = 0;

  template <class T>
  [[nodiscard]] LIMBECK_HD constexpr divergence_term<T> operator()(const compared<T>& c) const {
    const T gap = c.gap();  // sums to 0 over the classes
    return {gap - where(c.teacher > T(0), c.teacher * c.log_student, T(0)), gap};
  }
};

/// KL(student || teacher), in nats (Gu et al. 2024, arXiv:2306.08543). Infinite where the teacher rules out what the
/// student does not; such a class then has no part in the gradient, which stays finite.
struct reverse_kl {
  template <class T>
  [[nodiscard]] LIMBECK_HD constexpr divergence_term<T> operator()(const compared<T>& c) const {
    const T not_compared = where(c.log_ratio == c.log_ratio, T(0), c.log_ratio);  // a NaN stays one
    return {c.reverse_excess(), where(is_finite(c.log_ratio), c.student * c.log_ratio, not_compared)};
  }
};

namespace detail {

/// A class's share of jensen_shannon, and its slope, by the logs of the mixture.
template <class T>
[[nodiscard]] LIMBECK_HD constexpr divergence_term<T> jensen_shannon_term(const compared<T>& c, double beta,
                                                                          const mixture_logs<T>& m) {
  const T in_teacher = T(-beta) * c.teacher * m.over_teacher, in_student = T(beta - 1) * c.student * m.over_student;
  // Each one's excess over m, of which what is linear cancels: beta (teacher - m) + (1 - beta) (student - m) = 0.
  const T excess = -(in_teacher * m.over_teacher * expm1_bend(m.over_teacher)) -
                   in_student * m.over_student * expm1_bend(m.over_student);
  return {where(c.close(), excess, in_teacher + in_student), in_student};
}

/// jensen_shannon of even shares, without a branch.
struct even_jensen_shannon {
  double beta;

  template <class T>
  [[nodiscard]] LIMBECK_HD constexpr divergence_term<T> operator()(const compared<T>& c) const {
    return jensen_shannon_term(c, beta, c.even_mixture(T(1 - beta)));
  }
};

}  // namespace detail

/// beta KL(teacher || m) + (1 - beta) KL(student || m), m = beta teacher + (1 - beta) student, in nats; from 0 to the
/// entropy of beta. At 0 and 1, where nothing would be left, KL(teacher || student) and KL(student || teacher) take its
/// place (Agarwal et al. 2024, arXiv:2306.13649, section 2, and the code published with it).
struct jensen_shannon {
  double beta = 0.5;

  void check() const {
    expects(beta >= 0 && beta <= 1, [&] { return message("jensen_shannon: beta ", beta, ", must lie in 0 to 1"); });
  }
  /// Whether common_form() may stand for it: in a loop over classes that has no branches.
  [[nodiscard]] LIMBECK_HD constexpr bool is_common() const { return compared<float>::has_even_shares(beta); }
  [[nodiscard]] LIMBECK_HD constexpr detail::even_jensen_shannon common_form() const { return {beta}; }

  template <class T>
  [[nodiscard]] LIMBECK_HD constexpr divergence_term<T> operator()(const compared<T>& c) const {
    if (is_common()) return common_form()(c);
    if (beta == 0) return forward_kl{}(c);
    if (beta == 1) return reverse_kl{}(c);
    return detail::jensen_shannon_term(c, beta, c.uneven_mixture(beta));
  }
};

/// jensen_shannon / (beta (1 - beta)): continuous, with KL(teacher || student) and KL(student || teacher) as its limits
/// at 0 and 1, so that beta turns one into the other without a change of size.
struct scaled_jensen_shannon {
  double beta = 0.5;

  void check() const {
    expects(beta >= 0 && beta <= 1,
            [&] { return message("scaled_jensen_shannon: beta ", beta, ", must lie in 0 to 1"); });
  }
  template <class T>
  [[nodiscard]] LIMBECK_HD constexpr divergence_term<T> operator()(const compared<T>& c) const {
    const divergence_term<T> term = jensen_shannon{beta}(c);
    const T scale = static_cast<T>(beta == 0 || beta == 1 ? 1 : 1 / (beta * (1 - beta)));
    return {scale * term.value, scale * term.slope};
  }
};

/// KL(teacher || skew teacher + (1 - skew) student), in nats; finite for a skew above 0 (Ko et al. 2024,
/// arXiv:2402.03898, section 3.1).
struct skew_kl {
  double skew = 0.1;

  void check() const {
    expects(skew >= 0 && skew < 1, [&] { return message("skew_kl: skew ", skew, ", must be at least 0 and below 1"); });
  }
  template <class T>
  [[nodiscard]] LIMBECK_HD constexpr divergence_term<T> operator()(const compared<T>& c) const {
    if (skew == 0) return forward_kl{}(c);
    const T of_student = static_cast<T>(1 - skew), m = c.mixed(skew);
    return {c.teacher_excess(c.mixture(skew), of_student),
            // of -of_student * teacher / m, and a constant
            of_student * of_student * c.student * c.gap() / where(m == T(0), T(1), m)};
  }
};

/// KL(student || (1 - skew) teacher + skew student), in nats; finite for a skew above 0 (Ko et al. 2024,
/// arXiv:2402.03898, section 3.1).
struct skew_reverse_kl {
  double skew = 0.1;

  void check() const {
    expects(skew >= 0 && skew < 1,
            [&] { return message("skew_reverse_kl: skew ", skew, ", must be at least 0 and below 1"); });
  }
  template <class T>
  [[nodiscard]] LIMBECK_HD constexpr divergence_term<T> operator()(const compared<T>& c) const {
    if (skew == 0) return reverse_kl{}(c);
    const T of_teacher = static_cast<T>(1 - skew), m = c.mixed(1 - skew);
    const mixture_logs<T> logs = c.mixture(1 - skew);
    const T log_m = logs.over_student, x = of_teacher * c.gap() / where(m == T(0), T(1), m);  // log_m = -log1p(x)
    const T slope =
        where(abs(log_m) < T(0.25), of_teacher * x - log_m * log_m * expm1_bend(-log_m), -log_m - T(skew) * x);
    return {c.student_excess(logs, of_teacher), c.student * slope};
  }
};

/// Half the L1 distance, 0 to 1 (Wen et al. 2023, arXiv:2307.15190).
struct total_variation {
  template <class T>
  [[nodiscard]] LIMBECK_HD constexpr divergence_term<T> operator()(const compared<T>& c) const {
    const T gap = c.gap();
    return {T(0.5) * abs(gap), T(0.5) * sign_of(c.log_ratio) * c.student};
  }
};

/// Half the squared distance of the distributions' square roots, 0 to 1.
struct squared_hellinger {
  template <class T>
  [[nodiscard]] LIMBECK_HD constexpr divergence_term<T> operator()(const compared<T>& c) const {
    const T half = T(0.5) * c.log_ratio, of_student = sqrt(c.student), of_teacher = sqrt(c.teacher);
    const T apart = where(c.close(), of_teacher * (half + half * half * expm1_bend(half)), of_student - of_teacher);
    return {T(0.5) * apart * apart, T(0.5) * of_student * apart};
  }
};

/// The alpha-beta divergence (Cichocki et al. 2011, Entropy 13(1), 134-170; for distillation Wang et al. 2025,
/// arXiv:2505.04560): -(p^alpha q^beta - (alpha p^s + beta q^s) / s) / (alpha beta) with p the teacher, q the student
/// and s = alpha + beta. (1, 0) is KL(teacher || student), (0, 1) KL(student || teacher), (1/2, 1/2) four times
/// squared_hellinger.
struct alpha_beta {
  double alpha = 0.5, beta = 0.5;

  void check() const {
    expects(alpha >= 0 && beta >= 0 && alpha + beta > 0,
            [&] { return message("alpha_beta: ", alpha, " and ", beta, ", must not be negative, nor both 0"); });
  }
  template <class T>
  [[nodiscard]] LIMBECK_HD constexpr divergence_term<T> operator()(const compared<T>& c) const {
    const double both = alpha + beta;
    const T p = power(c.teacher, c.log_teacher, both), q = power(c.student, c.log_student, both);
    return {where(abs(T(both) * c.log_ratio) < T(0.25), near(c, p, q), far(c, p, q)), slope(c, q)};
  }

 private:
  // x^exponent
  template <class T>
  [[nodiscard]] LIMBECK_HD static constexpr T power(const T& x, const T& log_x, double exponent) {
    if (exponent == 1) return x;
    return where(x > T(0), exp(T(exponent) * log_x), x);
  }
  // Taylor's remainders, in which nothing cancels.
  template <class T>
  [[nodiscard]] LIMBECK_HD constexpr T near(const compared<T>& c, const T& p, const T& q) const {
    const T r = c.log_ratio, both = static_cast<T>(alpha + beta);
    if (alpha == 0) return q * r * r * expm1_bend(-both * r);
    return p * r * r * (both * expm1_bend(both * r) - T(beta) * expm1_bend(T(beta) * r)) / T(alpha);
  }
  template <class T>
  [[nodiscard]] LIMBECK_HD constexpr T far(const compared<T>& c, const T& p, const T& q) const {
    if (alpha == 0) return (where(q > T(0), T(beta) * c.log_ratio * q, q) - q + p) / T(beta * beta);
    if (beta == 0) return (q - p - where(p > T(0), T(alpha) * c.log_ratio * p, p)) / T(alpha * alpha);
    const T product = exp(T(alpha) * c.log_teacher + T(beta) * c.log_student);
    const T either = where(c.student > T(0), where(c.teacher > T(0), product, c.teacher), c.student);
    return (q / T(alpha) + p / T(beta)) / T(alpha + beta) - either / T(alpha * beta);
  }
  template <class T>
  [[nodiscard]] LIMBECK_HD constexpr T slope(const compared<T>& c, const T& q) const {
    if (alpha == 0) return where(is_finite(c.log_ratio), q * c.log_ratio, c.student * T(0));
    return where(q > T(0), q * expm1(T(-alpha) * c.log_ratio) / T(-alpha), q);
  }
};

}  // namespace limbeck
