// Pearson's correlation of softened class scores, for the host and for a device.
#pragma once

#include "limbeck/core/config.hpp"
#include "limbeck/core/math.hpp"

namespace limbeck::detail {

template <class A>
struct correlation_terms {
  A inverse_temperature, beta, gamma, epsilon;
};

/// Pearson's correlation of one row, or of a column in each lane: 1 less it, and its slope with respect to the student,
/// of_teacher * (teacher - its mean) - of_student * (student - its mean).
template <class V>
struct correlation {
  V distance, of_student, of_teacher;

  /// By the norms of both less their means, and half the squared norm of the difference once both were brought to the
  /// same norm: 1 - r of nearly equal numbers keeps its digits so.
  LIMBECK_HD static correlation of(const V& student, const V& teacher, const V& apart, const V& epsilon) {
    const V product = student * teacher, whole = product + epsilon;
    const auto varies = product > V(0);
    const V distance = where(varies, (apart + epsilon) / whole, V(1) + product);  // a NaN stays one
    const V r = V(1) - distance;
    return {distance, where(varies, r * teacher / (whole * student), V(0)), where(varies, V(1) / whole, V(0))};
  }
  /// What student and teacher are multiplied by for the same norm.
  LIMBECK_HD static V evened(const V& own, const V& other) {
    return where(own * other > V(0), sqrt(other / own), V(0));
  }
};

}  // namespace limbeck::detail
