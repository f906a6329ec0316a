// Rows brought to mean 0 and variance 1, and the slope of their squared difference, for the host and for a device.
#pragma once

#include "limbeck/core/config.hpp"
#include "limbeck/core/math.hpp"

namespace limbeck::detail {

/// Mean and inverse standard deviation of a row. V: a number or a vector of them.
template <class V>
struct moments {
  V mean, inverse_deviation;  // the latter 0 where all are equal

  [[nodiscard]] LIMBECK_HD static moments of(const V& mean, const V& variance) {
    const V deviation = sqrt(variance);
    return {mean, where(deviation == V(0), V(0), V(1) / deviation)};
  }
  [[nodiscard]] LIMBECK_HD V standardised(const V& z) const { return (z - mean) * inverse_deviation; }
};

/// Of half the sum of (s - t)^2 with respect to a logit, times the student's deviation; mean_along: of (s - t) * s.
template <class V>
[[nodiscard]] LIMBECK_HD V standardised_slope(const V& s, const V& t, const V& mean_along) {
  return s - t - s * mean_along;
}

}  // namespace limbeck::detail
