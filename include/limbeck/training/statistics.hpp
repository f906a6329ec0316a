// What a handful of runs says, and how surely: means with intervals, and the smallest difference that could be seen.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

#include "limbeck/core/error.hpp"

namespace limbeck {
namespace detail {

/// The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method. Converges quickly where
/// x < (a + 1) / (a + b + 2).
[[nodiscard]] inline double beta_fraction(double a, double b, double x) {
  constexpr double tiny = 1e-300;
  const auto away_from_0 = [](double y) { return std::abs(y) < tiny ? tiny : y; };
  double fraction = 1, c = 1, d = 0;
  for (int j = 1; j < 100000; ++j) {
    const double m = j / 2;  // whole
    const double step = j % 2 == 0 ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
                                   : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away_from_0(1 + step * d);
    c = away_from_0(1 + step / c);
    fraction *= c * d;
    if (std::abs(c * d - 1) < 1e-16) break;
  }
  return fraction;
}

/// The regularised incomplete beta function I_x(a, b), with 1 - x given so that it need not be rounded.
[[nodiscard]] inline double incomplete_beta(double a, double b, double x, double rest) {
  if (x <= 0 || rest <= 0) return x <= 0 ? 0 : 1;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log(rest));
  return x < (a + 1) / (a + b + 2) ? front / (a * beta_fraction(a, b, x)) : 1 - front / (b * beta_fraction(b, a, rest));
}

}  // namespace detail

/// P(T > t) of Student's t distribution, t >= 0, with `freedom` > 0 degrees of freedom, whole or not.
[[nodiscard]] inline double student_t_tail(double t, double freedom) {
  expects(t >= 0, [&] { return message("student_t_tail: t must be 0 or more, not ", t); });
  expects(freedom > 0, [&] { return message("student_t_tail: degrees of freedom must be positive, not ", freedom); });
  const double square = t * t, sum = freedom + square;
  return detail::incomplete_beta(freedom / 2, 0.5, freedom / sum, square / sum) / 2;
}

/// The t below which Student's t distribution has `probability`, which lies between 0 and 1.
[[nodiscard]] inline double student_t_quantile(double probability, double freedom) {
  expects(probability > 0 && probability < 1,
          [&] { return message("student_t_quantile: a probability between 0 and 1, not ", probability); });
  if (probability < 0.5) return -student_t_quantile(1 - probability, freedom);
  const double tail = 1 - probability;
  double low = 0, high = 1;
  while (student_t_tail(high, freedom) > tail) high *= 2;
  for (double middle = high / 2; middle > low && middle < high; middle = low + (high - low) / 2)
    (student_t_tail(middle, freedom) > tail ? low : high) = middle;
  return high;
}

struct interval {
  double low, high;
  [[nodiscard]] bool holds(double x) const { return low <= x && x <= high; }
};

/// A mean of independent numbers, and how sure it is. Of its error fewer than two numbers say nothing, and neither do
/// numbers that are all the same: others may lie further apart.
struct estimate {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  std::size_t count = 0;  ///< numbers
  double mean = unknown;  ///< of them
  double deviation =
      unknown;             ///< of one number: the root of the sum of squared differences from the mean / (count - 1)
  double error = unknown;  ///< standard error of the mean
  double freedom = 0;      ///< degrees of freedom of the error; 0: it is not known

  [[nodiscard]] bool knows_error() const { return freedom > 0 && error > 0; }

  /// Where the true mean lies with that confidence, by Student's t; NaN where the error is not known.
  [[nodiscard]] interval confidence(double share = 0.95) const {
    const double half = knows_error() ? student_t_quantile(0.5 + share / 2, freedom) * error : unknown;
    return {mean - half, mean + half};
  }
  /// The smallest true mean that a two-sided test at `level` would have told from 0 with probability `power` (the
  /// minimum detectable effect of Bloom 1995, Evaluation Review 19(5)): (t of 1 - level / 2 + t of power) * error.
  [[nodiscard]] double detectable(double level = 0.05, double power = 0.8) const {
    if (!knows_error()) return unknown;
    return (student_t_quantile(1 - level / 2, freedom) + student_t_quantile(power, freedom)) * error;
  }
};

/// Of a sample, such as one number a seed.
[[nodiscard]] inline estimate estimate_mean(std::span<const double> sample) {
  estimate out{.count = sample.size()};
  if (sample.empty()) return out;
  const auto n = static_cast<double>(sample.size());
  double sum = 0, squares = 0;
  for (const double x : sample) sum += x;
  out.mean = sum / n;
  if (sample.size() < 2) return out;
  double largest = 0;
  for (const double x : sample) {
    squares += (x - out.mean) * (x - out.mean);
    largest = std::max(largest, std::abs(x));
  }
  if (squares < n * 1e-18 * largest * largest) squares = 0;  // equal but for rounding
  out.freedom = n - 1;
  out.deviation = std::sqrt(squares / out.freedom);
  out.error = out.deviation / std::sqrt(n);
  return out;
}

/// Of the mean of independent means, each with an error of its own: e = sqrt(sum of e_i^2) / means, with the degrees of
/// freedom of Welch and Satterthwaite (Satterthwaite 1946, Biometrics Bulletin 2(6)): (sum of e_i^2)^2 / sum of
/// (e_i^4 / freedom_i). Where one of the errors is not known, this one is not. `deviation` has no meaning.
[[nodiscard]] inline estimate mean_of_means(std::span<const estimate> means) {
  estimate out;
  if (means.empty()) return out;
  const auto n = static_cast<double>(means.size());
  double sum = 0, squares = 0, fourths = 0;
  bool known = true;
  for (const estimate& e : means) {
    const double square = e.error * e.error;
    out.count += e.count;
    sum += e.mean;
    squares += square;
    fourths += square * square / e.freedom;
    known = known && e.knows_error();
  }
  out.mean = sum / n;
  if (!known) return out;
  out.error = std::sqrt(squares) / n;
  out.freedom = squares * squares / fourths;
  return out;
}

}  // namespace limbeck
