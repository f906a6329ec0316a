// Where the samples of a batch lie, and which of their tokens a layer answers for.
#pragma once

#include <algorithm>
#include <cstdint>

#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// Where the samples of a batch lie, with what follows from it.
template <backend B = cpu>
struct batch_layout {
  view<const sample_rows, 1, B> rows{};  ///< [samples]
  index tokens = 0;                      ///< rows of every [tokens, width] matrix
  index longest = 0;                     ///< rows of the longest sample
  bool gaps = false;                     ///< some tokens belong to no sample
  /// Of a layer that answers for each sample's first tokens alone: where their rows lie in its output, and which rows
  /// of its input they are. Empty: it answers for every token.
  view<const sample_rows, 1, B> queries{};        ///< [samples]
  view<const std::int32_t, 1, B> query_tokens{};  ///< [answers]

  [[nodiscard]] bool narrowed() const { return !queries.empty(); }
  /// Rows of the layer's output.
  [[nodiscard]] index answers() const { return narrowed() ? query_tokens.extent(0) : tokens; }
  /// The same batch for a layer that answers for every token.
  [[nodiscard]] batch_layout whole() const { return {rows, tokens, longest, gaps}; }
  /// Where the samples lie in the layer's output.
  [[nodiscard]] batch_layout output() const {
    return narrowed() ? batch_layout{queries, answers(), std::min<index>(longest, answers()), false} : whole();
  }
};

}  // namespace limbeck
