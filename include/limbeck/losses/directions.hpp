// What two rows of numbers differ by in direction, for the host and for a device.
#pragma once

#include "limbeck/core/config.hpp"
#include "limbeck/core/math.hpp"

namespace limbeck::detail {

/// half_square: |s / |s| - t / |t||^2 / 2, where a row of zeros stays one: 1 - cos if neither row is one.
template <class A>
struct direction_gap {
  A half_square = 0;
  bool both = true;  ///< neither row is 0 everywhere, or its squares too small for A
};

/// s - ratio * t, ratio being |s| / |t|. V: a number or a vector of them.
template <class V>
[[nodiscard]] LIMBECK_HD V along_one(const V& s, const V& t, const V& ratio) {
  return s - ratio * t;
}
/// The slope of the half square times s.s; it is -(t / |t| - cos * s / |s|) * |s|.
template <class V>
[[nodiscard]] LIMBECK_HD V direction_slope(const V& s, const V& t, const V& ratio, const V& apart) {
  return along_one(s, t, ratio) - apart * s;
}

/// From the products of two rows with themselves and each other to the gap. Where they nearly agree the sum of the
/// squares of along_one(), which does not cancel, has to be taken too: equal rows then give exactly 0, as do those that
/// differ by a power of two.
template <class A>
struct compared_directions {
  A student, both, teacher;  ///< s.s, s.t, t.t
  A ratio = 0, apart = 0;    ///< |s| / |t|; the half square

  LIMBECK_HD compared_directions(A of_student, A of_both, A of_teacher)
      : student(of_student), both(of_both), teacher(of_teacher) {
    if (!directed()) return;
    ratio = sqrt(student) / sqrt(teacher);
    apart = A(1) - both / student * ratio;
  }
  /// Whether both rows have a direction.
  [[nodiscard]] LIMBECK_HD bool directed() const { return student != A(0) && teacher != A(0); }
  [[nodiscard]] LIMBECK_HD bool near() const { return directed() && !(apart > A(0.125)); }
  LIMBECK_HD void take_difference(A sum_of_squares) { apart = A(0.5) * sum_of_squares / student; }

  [[nodiscard]] LIMBECK_HD direction_gap<A> gap() const {
    if (directed()) return {apart, true};
    return {(student != A(0) || teacher != A(0) ? A(0.5) : A(0)) + A(0) * both, false};  // a NaN stays one
  }
};

}  // namespace limbeck::detail
