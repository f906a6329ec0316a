// What a mapping shows its visitor, as an array: exact tables can then be checked at compile time.
#pragma once

#include <array>
#include <cstddef>

#include "limbeck/mappings/mapping_policy.hpp"

namespace limbeck_test {

/// The pairs of `map` in the order in which they are shown; there must be N of them.
template <std::size_t N, limbeck::mapping_policy Map>
[[nodiscard]] constexpr std::array<limbeck::layer_pair, N> pairs(const Map& map, limbeck::depths d) {
  std::array<limbeck::layer_pair, N> out{};
  std::size_t count = 0;
  map(d, [&](const limbeck::layer_pair& p) {
    if (count == N) throw "a mapping shows more pairs than the test expects";
    out[count++] = p;
  });
  if (count != N) throw "a mapping shows fewer pairs than the test expects";
  return out;
}

/// Student layer m with teacher layer teachers[m], of weight 1.
template <class... I>
[[nodiscard]] constexpr std::array<limbeck::layer_pair, sizeof...(I)> in_order(I... teachers) {
  std::array<limbeck::layer_pair, sizeof...(I)> out{};
  std::size_t m = 0;
  ((out[m] = limbeck::layer_pair{m, static_cast<std::size_t>(teachers)}, ++m), ...);
  return out;
}

}  // namespace limbeck_test
