// Huber's loss, and the cosines of angles that it compares, for the host and for a device.
#pragma once

#include "limbeck/core/config.hpp"
#include "limbeck/core/math.hpp"

namespace limbeck::detail {

/// Huber's loss of a number or of a vector of them: a square up to delta, a straight line from there.
template <class T>
struct huber {
  T delta;

  [[nodiscard]] LIMBECK_HD T value(const T& x) const {
    const T size = abs(x);
    return where(size > delta, delta * (size - T(0.5) * delta), T(0.5) * x * x);
  }
  [[nodiscard]] LIMBECK_HD T slope(const T& x) const {  // a NaN stays one
    return where(abs(x) > delta, delta * sign_of(x), x);
  }
};

/// One side of a triangle at its vertex, in both models: the square of its length, and half the inverse of that.
template <class V>
struct side_of_angles {
  V square, half_inverse, shown_square, shown_half_inverse;
};
/// The other sides: the squares of the one at the vertex and of the one across, the inverse length of the former.
template <class V>
struct other_sides {
  V square, across, inverse;

  /// By the law of cosines.
  [[nodiscard]] LIMBECK_HD V cosine(const V& side, const V& half_inverse) const {
    return (side + (square - across)) * half_inverse * inverse;
  }
};

/// Sums over the angles at one vertex with one side.
template <class V>
struct sums_of_angles {
  V value, by_inverse, by_cosine;

  /// One more angle; returns Huber's slope by its cosine.
  LIMBECK_HD V add(const huber<V>& compare, const side_of_angles<V>& side, const other_sides<V>& own,
                   const other_sides<V>& shown) {
    const V mine = own.cosine(side.square, side.half_inverse),
            gap = mine - shown.cosine(side.shown_square, side.shown_half_inverse), slope = compare.slope(gap);
    value += compare.value(gap);
    by_inverse += slope * own.inverse;
    by_cosine += slope * mine;
    return slope;
  }
};

}  // namespace limbeck::detail
