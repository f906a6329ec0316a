// What was kept of a teacher for the samples of one batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "limbeck/core/signals.hpp"
#include "limbeck/training/teacher_store_format.hpp"

namespace limbeck {

/// With its memory, which is used again from batch to batch.
struct kept_batch {
  struct state {
    signal_set what;
    std::size_t layer;
    index width;
    std::vector<float> numbers;
  };

  std::vector<float> logits, log_rest;
  std::vector<std::int32_t> kept_classes;
  index samples = 0;
  index kept = 0;                 ///< classes of a row of logits
  std::vector<sample_rows> rows;  ///< [samples], of the states
  index tokens = 0;
  std::vector<state> states;  ///< [tokens, width] each
  std::size_t layers = 0;     ///< of the teacher

  /// What a loss reads of a teacher: logits [samples, classes], or those of kept_classes [samples, k] with log_rest; of
  /// per-layer signals that were kept the layers that were, the others empty.
  [[nodiscard]] signals<const float> seen() const {
    signals<const float> s;
    if (!logits.empty()) s.logits = view<const float, 2>(logits.data(), samples, kept);
    if (!kept_classes.empty()) {
      s.kept_classes = view<const std::int32_t, 2>(kept_classes.data(), samples, kept);
      s.log_rest = view<const float, 1>(log_rest.data(), samples);
    }
    if (!states.empty()) s.rows = view<const sample_rows, 1>(rows.data(), samples);
    for (const state& held : states) {
      const view<const float, 2> numbers(held.numbers.data(), tokens, held.width);
      if (held.what == signal::embeddings) {
        s.embeddings = numbers;
        continue;
      }
      auto& all = detail::layers_of(s, held.what);
      if (all.empty()) all = per_layer<view<const float, 2>>(layers);
      all[held.layer] = numbers;
    }
    return s;
  }
};

}  // namespace limbeck
