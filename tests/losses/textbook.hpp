// Every divergence as textbooks write it, in long double: what each path of the library is compared with. A reference
// is a sum over classes of value(p, q), p the teacher's and q the student's probability, and the derivative of that by
// q; it says nothing about cancellation and shares no code with the library.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "catch.hpp"
#include "limbeck/backend/simd_dispatch.hpp"
#include "limbeck/losses/divergences.hpp"
#include "losses/logit_case.hpp"

namespace limbeck_test::textbook {

using real = long double;

struct forward_kl {
  static auto policy() { return limbeck::forward_kl{}; }
  static real value(real p, real q) { return p * std::log(p / q); }
  static real derivative(real p, real q) { return -p / q; }
};
struct soft_label_cross_entropy {
  static auto policy() { return limbeck::soft_label_cross_entropy{}; }
  static real value(real p, real q) { return -p * std::log(q); }
  static real derivative(real p, real q) { return -p / q; }
};
struct reverse_kl {
  static auto policy() { return limbeck::reverse_kl{}; }
  static real value(real p, real q) { return q * std::log(q / p); }
  static real derivative(real p, real q) { return std::log(q / p) + 1; }
};
template <int Percent>
struct jensen_shannon {
  static constexpr real beta = Percent / 100.0L;
  static auto policy() { return limbeck::jensen_shannon{.beta = Percent / 100.0}; }
  static real value(real p, real q) {
    const real m = beta * p + (1 - beta) * q;
    return beta * p * std::log(p / m) + (1 - beta) * q * std::log(q / m);
  }
  static real derivative(real p, real q) { return (1 - beta) * std::log(q / (beta * p + (1 - beta) * q)); }
};
template <int Percent>
struct scaled_jensen_shannon {
  static constexpr real beta = Percent / 100.0L;
  static auto policy() { return limbeck::scaled_jensen_shannon{.beta = Percent / 100.0}; }
  static real value(real p, real q) { return jensen_shannon<Percent>::value(p, q) / (beta * (1 - beta)); }
  static real derivative(real p, real q) { return jensen_shannon<Percent>::derivative(p, q) / (beta * (1 - beta)); }
};
template <int Percent>
struct skew_kl {
  static constexpr real skew = Percent / 100.0L;
  static auto policy() { return limbeck::skew_kl{.skew = Percent / 100.0}; }
  static real value(real p, real q) { return p * std::log(p / (skew * p + (1 - skew) * q)); }
  static real derivative(real p, real q) { return -(1 - skew) * p / (skew * p + (1 - skew) * q); }
};
template <int Percent>
struct skew_reverse_kl {
  static constexpr real skew = Percent / 100.0L;
  static auto policy() { return limbeck::skew_reverse_kl{.skew = Percent / 100.0}; }
  static real value(real p, real q) { return q * std::log(q / ((1 - skew) * p + skew * q)); }
  static real derivative(real p, real q) {
    const real m = (1 - skew) * p + skew * q;
    return std::log(q / m) + 1 - skew * q / m;
  }
};
struct total_variation {
  static auto policy() { return limbeck::total_variation{}; }
  static real value(real p, real q) { return std::fabs(q - p) / 2; }
  static real derivative(real p, real q) { return static_cast<real>((q > p) - (q < p)) / 2; }
};
struct squared_hellinger {
  static auto policy() { return limbeck::squared_hellinger{}; }
  static real value(real p, real q) { return (std::sqrt(p) - std::sqrt(q)) * (std::sqrt(p) - std::sqrt(q)) / 2; }
  static real derivative(real p, real q) { return (1 - std::sqrt(p / q)) / 2; }
};
template <int AlphaPercent, int BetaPercent>
struct alpha_beta {
  static constexpr real a = AlphaPercent / 100.0L, b = BetaPercent / 100.0L;
  static auto policy() { return limbeck::alpha_beta{.alpha = AlphaPercent / 100.0, .beta = BetaPercent / 100.0}; }
  static real value(real p, real q) {
    const real product = std::pow(p, a) * std::pow(q, b);
    return -(product - a / (a + b) * std::pow(p, a + b) - b / (a + b) * std::pow(q, a + b)) / (a * b);
  }
  static real derivative(real p, real q) { return (std::pow(q, a + b - 1) - std::pow(p, a) * std::pow(q, b - 1)) / a; }
};

/// log softmax(row / temperature).
inline std::vector<real> log_softmax(const std::vector<real>& row, real temperature) {
  const real top = *std::max_element(row.begin(), row.end());
  real sum = 0;
  for (const real z : row) sum += std::exp((z - top) / temperature);
  std::vector<real> logs;
  for (const real z : row) logs.push_back((z - top) / temperature - std::log(sum));
  return logs;
}

/// A function of a row of the student's and one of the teacher's: log(student / teacher) for each class.
inline auto log_ratios_at(double temperature) {
  return [temperature](const auto& student, const auto& teacher) {
    std::vector<real> ratios = log_softmax({student.begin(), student.end()}, temperature);
    const std::vector<real> theirs = log_softmax({teacher.begin(), teacher.end()}, temperature);
    for (std::size_t c = 0; c < ratios.size(); ++c) ratios[c] -= theirs[c];
    return ratios;
  };
}

struct outcome {
  real value = 0;
  std::vector<real> gradient;  ///< with respect to the student's logits
};

/// Row `row` of a matrix of that many classes.
template <class A>
std::vector<real> row_of(const std::vector<A>& numbers, index row, index classes) {
  const auto first = numbers.begin() + row * classes;
  return {first, first + classes};
}

/// Holds a row of what a loss gave to what a textbook has: the value to `tolerance` of its size, gradients to that of
/// the row's largest; and to `floor`.
template <class Outcome>
void check_row(const Outcome& got, index row, const outcome& want, double tolerance, double floor) {
  INFO("row " << row << ", " << want.gradient.size() << " classes, " << limbeck::name_of(limbeck::active_simd_level()));
  CHECK(static_cast<double>(got.value[static_cast<std::size_t>(row)]) ==
        Approx(static_cast<double>(want.value)).epsilon(tolerance).margin(floor));
  double worst = 0, largest = 0;
  for (std::size_t c = 0; c < want.gradient.size(); ++c) {
    const auto wanted = static_cast<double>(want.gradient[c]);
    const auto have = static_cast<double>(got.gradient[static_cast<std::size_t>(row) * want.gradient.size() + c]);
    worst = std::max(worst, std::abs(have - wanted) + 0 * have);  // a NaN stays one
    largest = std::max(largest, std::abs(wanted));
  }
  CHECK(worst <= tolerance * largest + floor);
}

/// Of one row, without the factor temperature^2.
template <class Divergence>
outcome of_row(const std::vector<real>& student, const std::vector<real>& teacher, real temperature) {
  const std::vector<real> log_q = log_softmax(student, temperature), log_p = log_softmax(teacher, temperature);
  outcome got;
  real mean = 0;  // of the derivatives, by the student's probabilities
  for (std::size_t c = 0; c < log_q.size(); ++c) {
    const real p = std::exp(log_p[c]), q = std::exp(log_q[c]);
    got.value += Divergence::value(p, q);
    mean += q * Divergence::derivative(p, q);
  }
  for (std::size_t c = 0; c < log_q.size(); ++c) {
    const real q = std::exp(log_q[c]);
    got.gradient.push_back(q * (Divergence::derivative(std::exp(log_p[c]), q) - mean) / temperature);
  }
  return got;
}

}  // namespace limbeck_test::textbook
