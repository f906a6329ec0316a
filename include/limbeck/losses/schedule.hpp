// How a number changes over a run: the learning rate, the weight of a loss.
#pragma once

#include <cmath>
#include <concepts>
#include <numbers>

#include "limbeck/core/error.hpp"

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

}  // namespace limbeck
