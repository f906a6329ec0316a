// What the terms of an objective are told of the models.
#pragma once

#include <optional>

#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/models/transformer_class.hpp"

namespace limbeck {

/// What the terms are told of the models. Without a teacher its sizes are empty.
struct term_context {
  transformer_sizes student{};
  std::optional<transformer_sizes> teacher{};
  index classes = 2;
  bool regression = false;
  std::optional<double> top_k_temperature{};  ///< where the teacher's likeliest classes alone are kept, for it
  /// What divides losses of logits that need no label: rows, where a sample has several, as in language models.
  divisor of_logits = divisor::samples;
};

}  // namespace limbeck
