// What the data say about a batch: labels, scores, and which rows count.
#pragma once

#include <cstdint>

#include "limbeck/core/view.hpp"

namespace limbeck {

/// Every member may be empty. A: what values are computed in, float or double.
template <class A, backend B = cpu>
struct targets {
  view<const std::int32_t, 1, B> labels{};  ///< [rows], of a classifier
  view<const A, 1, B> scores{};             ///< [rows], of a regressor
  view<const A, 1, B> row_weight{};         ///< [rows]; 0 masks: the row is skipped; empty: 1 for each
};

}  // namespace limbeck
