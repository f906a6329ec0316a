// The learning rate of a step.
#pragma once

#include "limbeck/core/error.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// Rises in a straight line over `warmup` updates from 0, then falls in a straight line to 0 at update `updates`:
/// update i has peak * i / warmup, then peak * (updates - i) / (updates - warmup). Counts optimiser updates, never
/// micro-batches.
struct warmup_linear {
  double peak = 1e-4;
  index warmup = 0, updates = 1;

  /// The rate of update 0, 1, ...
  [[nodiscard]] constexpr double operator()(index update) const {
    if (update < warmup) return peak * static_cast<double>(update) / static_cast<double>(warmup);
    if (update >= updates) return 0;
    return peak * static_cast<double>(updates - update) / static_cast<double>(updates - warmup);
  }
};

}  // namespace limbeck
