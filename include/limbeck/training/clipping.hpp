// What clipping makes of the norm of a gradient.
#pragma once

#include "limbeck/core/config.hpp"

namespace limbeck {

/// What gradients are multiplied by so that their norm is at most `limit`: at most 1; 1 where `limit` is 0.
[[nodiscard]] LIMBECK_HD constexpr double clip_scale(double norm, double limit) {
  if (!(limit > 0)) return 1;
  const double scale = limit / (norm + 1e-6);
  return scale < 1 ? scale : 1;
}

}  // namespace limbeck
