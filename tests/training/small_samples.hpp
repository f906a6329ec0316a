// Samples made of numbers, for tests that train and evaluate.
#pragma once

#include <cstdint>
#include <limits>
#include <utility>

#include "limbeck/training/samples.hpp"

namespace limbeck_test {

/// Sample i has 3 + i % 4 tokens below 20 that follow from i and `first`; its class is i % 2, its score i + `first`.
inline limbeck::sample_set small_samples(limbeck::index count, bool regression, limbeck::index first = 0) {
  limbeck::sample_set set;
  set.task.metrics = {regression ? "pearson" : "accuracy"};
  set.task.labels = set.task.label_names = {"no", "yes"};
  for (limbeck::index i = 0; i < count; ++i) {
    limbeck::encoding tokens;
    const limbeck::index length = 3 + i % 4;
    for (limbeck::index t = 0; t < length; ++t) {
      tokens.ids.push_back(static_cast<std::int32_t>(t == 0 ? 2 : 5 + (7 * i + 3 * t + first + i * t) % 15));
      tokens.types.push_back(2 * t > length ? 1 : 0);
    }
    set.tokens.push_back(std::move(tokens));
    set.lengths.push_back(length);
    set.labels.push_back(regression ? limbeck::no_label : static_cast<std::int32_t>(i % 2));
    set.scores.push_back(regression ? static_cast<double>(i + first) : std::numeric_limits<double>::quiet_NaN());
  }
  return set;
}

}  // namespace limbeck_test
