// What clipping makes of the norm of a gradient.
#pragma once

#include "limbeck/core/config.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// What gradients are multiplied by so that their norm is at most `limit`: at most 1; 1 where `limit` is 0.
[[nodiscard]] LIMBECK_HD constexpr double clip_scale(double norm, double limit) {
  if (!(limit > 0)) return 1;
  const double scale = limit / (norm + 1e-6);
  return scale < 1 ? scale : 1;
}

/// What a gradient is multiplied by: 1, or what clips it, from its norm where the gradient lies.
template <backend B>
struct gradient_clip {
  view<const double, 1, B> norm{};  ///< [1]; empty: no clipping
  double limit = 0;

  [[nodiscard]] LIMBECK_HD double scale() const { return norm.empty() ? 1 : clip_scale(norm(0), limit); }
};

}  // namespace limbeck
