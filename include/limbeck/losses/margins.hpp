// Differences of scores, for the host and for a device.
#pragma once

#include "limbeck/core/config.hpp"
#include "limbeck/core/math.hpp"

namespace limbeck::detail {

/// What a difference is, and what its rounding lost (Knuth's two-sum); nothing where it is not finite.
template <class V>
struct exact_difference {
  V rounded, lost;

  LIMBECK_HD exact_difference(const V& a, const V& b) : rounded(a - b) {
    const V from_b = rounded - a;
    const V both = (a - (rounded - from_b)) - (b + from_b);
    lost = where(is_finite(rounded), both, V(0));
  }
  /// This one less another, of full digits where both nearly agree.
  [[nodiscard]] LIMBECK_HD V beyond(const exact_difference& other) const {
    return (rounded - other.rounded) + (lost - other.lost);
  }
};

}  // namespace limbeck::detail
