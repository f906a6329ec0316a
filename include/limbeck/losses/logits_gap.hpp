// The difference of two logits, for the host and for a device.
#pragma once

#include "limbeck/core/config.hpp"
#include "limbeck/core/math.hpp"

namespace limbeck::detail {

/// (z - zt) / temperature; equal infinities agree. V: a number or a vector of them.
template <class V>
[[nodiscard]] LIMBECK_HD V logits_gap(const V& z, const V& zt, const V& inverse_temperature) {
  return where(z == zt, V(0), z - zt) * inverse_temperature;
}

}  // namespace limbeck::detail
