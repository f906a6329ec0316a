// How well a masked language model guesses. training/masked_evaluation.hpp finds out.
#pragma once

#include <cmath>
#include <cstdio>

#include "limbeck/core/view.hpp"
#include "limbeck/training/dev_scores.hpp"

namespace limbeck {

struct masked_scores {
  double loss = 0;      ///< the mean cross-entropy of the guessed tokens, in nats
  double accuracy = 0;  ///< the share of them whose token has the largest logit
  index guessed = 0;

  [[nodiscard]] double perplexity() const { return std::exp(loss); }
};

/// For a training loop; the score is the loss with its sign changed.
[[nodiscard]] inline evaluation_result evaluation_of(const masked_scores& s) {
  char line[96];
  std::snprintf(line, sizeof line, " held-out loss %.4f, perplexity %.1f, accuracy %.4f", s.loss, s.perplexity(),
                s.accuracy);
  return {.entry = {{"held_out", {{"loss", s.loss}, {"perplexity", s.perplexity()}, {"accuracy", s.accuracy}}}},
          .line = line,
          .score = -s.loss};
}

}  // namespace limbeck
