// Which teacher layer teaches which student layer: the words of the trade.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>

#include "limbeck/core/error.hpp"

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

/// How many pairs a mapping shows, which is also the way to ask whether depths suit it: a contract_error where they do
/// not, an error of the compiler in `static_assert(pair_count(last_mapping{}, {4, 12}) == 4)`.
[[nodiscard]] constexpr std::size_t pair_count(const mapping_policy auto& map, depths d) {
  std::size_t count = 0;
  map(d, [&](layer_pair) { ++count; });
  return count;
}

namespace detail {

/// Throws contract_error unless both models have a layer.
constexpr void expects_layers(const char* mapping, depths d) {
  expects(d.student > 0 && d.teacher > 0, [&] {
    return message(mapping, ": needs a layer on both sides, student ", d.student, ", teacher ", d.teacher);
  });
}

/// Throws contract_error unless the student has a layer and is no deeper than the teacher.
constexpr void expects_shallow_student(const char* mapping, depths d) {
  expects(d.student > 0 && d.student <= d.teacher, [&] {
    return message(mapping, ": the student needs 1 to as many layers as the teacher, student ", d.student, ", teacher ",
                   d.teacher);
  });
}

}  // namespace detail
}  // namespace limbeck
