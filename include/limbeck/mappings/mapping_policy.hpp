// Which teacher layer teaches which student layer: the words of the trade.
#pragma once

#include <concepts>
#include <cstddef>

namespace limbeck {

/// Layers count from zero here, from one in papers; the embedding output is not a layer.
struct layer_pair {
  std::size_t student, teacher;
  double weight = 1;
  friend constexpr bool operator==(const layer_pair&, const layer_pair&) = default;
};

/// How many layers each model has.
struct depths {
  std::size_t student, teacher;
};

/// Shows pairs to a visitor: one-to-one and many-to-many look alike to a loss. Called with depths that do not suit it,
/// a mapping throws contract_error before the first pair, naming both.
template <class M>
concept mapping_policy =
    std::copyable<M> && requires(const M& map, depths d, void (*visit)(layer_pair)) { map(d, visit); };

}  // namespace limbeck
