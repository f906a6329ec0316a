// Batches of random tokens, packed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "limbeck/core/targets.hpp"
#include "limbeck/models/token_batch.hpp"

namespace limbeck_bench {

using limbeck::index, limbeck::view;

/// Sequences of random tokens, one behind the other.
struct random_batch {
  std::vector<std::int32_t> ids, labels;
  std::vector<limbeck::sample_rows> rows;

  random_batch(std::span<const index> lengths, std::uint32_t seed) {
    for (const index length : lengths) {
      rows.push_back({static_cast<index>(ids.size()), length, length});
      for (index i = 0; i < length; ++i)
        ids.push_back(1000 + static_cast<std::int32_t>((seed = next(seed)) >> 8) % 29000);
      labels.push_back(static_cast<std::int32_t>((seed = next(seed)) >> 31));
    }
  }
  [[nodiscard]] limbeck::token_batch<> tokens() const {
    return {.ids = view<const std::int32_t, 1>(ids.data(), ids.size()),
            .rows = view<const limbeck::sample_rows, 1>(rows.data(), rows.size())};
  }
  [[nodiscard]] limbeck::targets<float> given() const {
    return {.labels = view<const std::int32_t, 1>(labels.data(), labels.size())};
  }

 private:
  static std::uint32_t next(std::uint32_t seed) { return seed * 1664525U + 1013904223U; }
};

}  // namespace limbeck_bench
