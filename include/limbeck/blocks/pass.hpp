// How one forward pass is run: kept for a backward pass or not, with dropout or without.
#pragma once

#include <cstdint>

#include "limbeck/core/philox.hpp"

namespace limbeck {

/// The mode is an argument of the pass, never a state of the model: a teacher and a student may be one model.
struct pass_mode {
  bool keeps = false;            ///< what a backward pass needs stays in memory
  double dropout = 0;            ///< of embeddings, of each sublayer's output, of the pooled vector
  double attention_dropout = 0;  ///< of attention probabilities
  std::uint64_t seed = 0;        ///< of the run
  std::uint64_t step = 0;        ///< of this pass: another number, other masks
  const std::uint64_t* step_from =
      nullptr;  ///< where the step lies instead, in the executor's memory; null: it is `step`

  /// The random stream of one place in the model.
  [[nodiscard]] constexpr random_stream at(std::uint32_t site) const { return {seed, step, site, step_from}; }
};

/// A pass that leaves nothing behind: for a teacher and for evaluation.
inline constexpr pass_mode inference{};

}  // namespace limbeck
