// A corpus in which the next letter is likely, a student that may learn it, and runs that can be stopped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "limbeck/backend/eigen.hpp"
#include "limbeck/data/documents.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/training/masked_documents.hpp"
#include "limbeck/training/masked_evaluation.hpp"
#include "limbeck/training/trainer.hpp"

namespace limbeck_test {

/// The special pieces as 0 to 4, then twelve letters.
inline const limbeck::vocabulary& letters() {
  static const limbeck::vocabulary pieces = [] {
    std::vector<std::string> all(limbeck::special_pieces.begin(), limbeck::special_pieces.end());
    for (char c = 'a'; c < 'm'; ++c) all.emplace_back(1, c);
    return limbeck::vocabulary(all);
  }();
  return pieces;
}

/// Each document walks through the alphabet from a letter of its own, by one or by five letters at a time.
inline limbeck::token_rows small_corpus(std::int32_t documents, std::int32_t first = 0) {
  limbeck::token_rows rows;
  for (std::int32_t d = first; d < first + documents; ++d) {
    for (std::int32_t t = 0; t < 6 + d % 9; ++t) rows.ids.push_back(5 + (7 * d + (d % 2 == 0 ? 1 : 5) * t) % 12);
    rows.end_row();
  }
  return rows;
}

inline limbeck::masked_documents small_documents(std::int32_t documents, limbeck::masks when, std::int32_t first = 0,
                                                 std::uint64_t seed = 3) {
  const limbeck::token_rows rows = small_corpus(documents, first);
  std::vector<std::uint32_t> all;
  for (std::int32_t d = 0; d < documents; ++d) all.push_back(static_cast<std::uint32_t>(d));
  return {limbeck::cut_documents(rows, all, {letters().classify(), letters().separator()}, 12),
          limbeck::masker(letters(), {.share = 0.2}), seed, when};
}

inline limbeck::transformer_sizes letter_sizes(limbeck::index layers, limbeck::index width) {
  return {
      .vocabulary = 17, .positions = 12, .types = 2, .layers = layers, .width = width, .heads = 2, .inner = 2 * width};
}

}  // namespace limbeck_test
