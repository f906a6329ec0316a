// What the terms of an optimiser step are divided by.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "limbeck/losses/loss_policy.hpp"

namespace limbeck::detail {

/// Samples, tokens and pairs of tokens of a step, and its rows, of which each sample has rows_of(sample); elements are
/// the caller's to say.
template <class RowsOf>
[[nodiscard]] normaliser count_samples(std::span<const std::span<const std::ptrdiff_t>> micro_batches,
                                       const std::vector<std::ptrdiff_t>& lengths, const RowsOf& rows_of) {
  normaliser n{0, 0, 0, 0, 0};
  for (const auto& batch : micro_batches)
    for (const std::ptrdiff_t i : batch) {
      const auto length = static_cast<double>(lengths[static_cast<std::size_t>(i)]);
      n.samples += 1;
      n.rows += static_cast<double>(rows_of(i));
      n.tokens += length;
      n.pairs += length * length;
    }
  return n;
}

}  // namespace limbeck::detail
