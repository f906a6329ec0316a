// A model's last linear map, as losses see it.
#pragma once

#include <cstdint>

#include "limbeck/core/view.hpp"

namespace limbeck {

/// What logits are made of: hidden * weight' + bias. Also the shape of their gradients, where an empty member is not
/// wanted and the last two mean nothing.
template <class T, backend B = cpu>
struct linear_head {
  view<T, 2, B> hidden{};                       ///< [rows, width]
  view<T, 2, B> weight{};                       ///< [classes, width]
  view<T, 1, B> bias{};                         ///< [classes], or empty
  view<const std::int32_t, 1, B> row_sample{};  ///< [rows], not decreasing: whose row it is; empty: row = sample
  index valid_classes = 0;                      ///< the rest is padding; 0: all are valid
};

}  // namespace limbeck
