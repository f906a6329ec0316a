// The squared difference of two numbers, and of those that TinyBERT's released code lets count as 0.
#pragma once

#include "limbeck/core/config.hpp"
#include "limbeck/core/math.hpp"

namespace limbeck::detail {

/// TinyBERT's released code: padding carries -10000, and scores of this and below count as 0.
inline constexpr double zeroing_floor = -100;

/// s - t and, from 2 factor (s - t), the gradient with respect to s. With Zeroing, values of `floor` and below count as
/// 0 on their side, and such a student value gets no gradient. V: a number or a vector of them.
template <bool Zeroing>
struct squared_difference {
  template <class V, class A>
  [[nodiscard]] LIMBECK_HD static V difference(const V& s, const V& t, A floor) {
    if constexpr (Zeroing)
      return where(s <= V(floor), V(A(0)), s) - where(t <= V(floor), V(A(0)), t);
    else
      return s - t;
  }
  template <class V, class A>
  [[nodiscard]] LIMBECK_HD static V passed(const V& s, const V& gradient, A floor) {
    if constexpr (Zeroing)
      return where(s <= V(floor), V(A(0)), gradient);
    else
      return gradient;
  }
};

}  // namespace limbeck::detail
