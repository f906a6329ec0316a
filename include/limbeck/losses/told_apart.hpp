// What a sample's own teacher vector is told from, and what telling one vector costs.
#pragma once

#include <cstdint>

#include "limbeck/core/math.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck::detail {

/// The negatives of each sample are entries of a bank; a cosine becomes u = sharpness * cosine - offset.
template <class T, backend B>
struct told_apart {
  view<const T, 2, B> bank;
  view<const std::int32_t, 2, B> negatives;
  double sharpness, offset;

  /// softplus(sign * u), and its slope by the cosine.
  template <class A>
  struct term {
    A value, slope;
  };
  template <class A>
  [[nodiscard]] LIMBECK_HD term<A> of_cosine(A cosine, A sign) const {
    const A u = sign * (cosine * static_cast<A>(sharpness) - static_cast<A>(offset)), small = exp(-abs(u));
    const A share = (u > A(0) ? A(1) : small) / (A(1) + small);
    return {max(u, A(0)) + log1p(small), sign * share * static_cast<A>(sharpness)};
  }
};

}  // namespace limbeck::detail
