// How a number changes over a run: the learning rate, the weight of a loss.
#pragma once

#include <cmath>
#include <concepts>
#include <numbers>

namespace limbeck {

/// A number as a function of the share of the run that is done, 0 to 1.
template <class S>
concept schedule = std::copyable<S> && requires(const S& s, double progress) {
  { s(progress) } -> std::convertible_to<double>;
};

/// From `from` to `to` in a straight line.
struct linear_decay {
  double from = 1, to = 0;
  constexpr double operator()(double progress) const { return from + (to - from) * progress; }
};

/// From `from` to `to` along half a cosine (Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5).
struct cosine_decay {
  double from = 1, to = 0;
  double operator()(double progress) const {
    return to + (from - to) * (1 + std::cos(std::numbers::pi * progress)) / 2;
  }
};

/// From `from` to `to` by equal factors; both must be positive.
struct exponential_decay {
  double from = 1, to = 0.01;
  double operator()(double progress) const { return from * std::pow(to / from, progress); }
};

/// Always the same number.
struct constant {
  double value = 1;
  constexpr double operator()(double) const { return value; }
};

/// Shapes of a schedule that is chosen at run time.
enum class schedule_kind { constant, linear, cosine, exponential };
struct any_schedule {
  schedule_kind kind = schedule_kind::constant;
  double from = 1, to = 1;  ///< a constant is `from`

  double operator()(double progress) const {
    switch (kind) {
      case schedule_kind::constant: return from;
      case schedule_kind::linear: return linear_decay{from, to}(progress);
      case schedule_kind::cosine: return cosine_decay{from, to}(progress);
      case schedule_kind::exponential: return exponential_decay{from, to}(progress);
    }
    return from;
  }
};

}  // namespace limbeck
