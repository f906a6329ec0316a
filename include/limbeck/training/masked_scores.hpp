// How well a masked language model guesses.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/training/dev_scores.hpp"
#include "limbeck/training/masked_documents.hpp"

namespace limbeck {

struct masked_scores {
  double loss = 0;      ///< the mean cross-entropy of the guessed tokens, in nats
  double accuracy = 0;  ///< the share of them whose token has the largest logit
  index guessed = 0;

  [[nodiscard]] double perplexity() const { return std::exp(loss); }
};

/// Scores the model on every sample, masked as in the first epoch. Throws std::runtime_error where the loss is not
/// finite.
template <launchable E, class Model, class T>
[[nodiscard]] masked_scores scores_of(const E& on, const Model& model, view<const T, 1> weights,
                                      const masked_documents& set, const batch_limits& most = {}) {
  const batch_order order = evaluation_batches(set.lengths, most);
  typename Model::template pass<T> pass;
  masked_batch<T> batch;
  std::vector<T> values;
  masked_scores found;
  index right = 0;
  for (index b = 0; b < order.size(); ++b) {
    batch.fill(set, order[b]);
    const signals<const T> seen = model.forward(on, weights, batch.tokens(), signal::logits, inference, pass);
    const targets<T> given = batch.given();
    values.assign(order[b].size(), T(0));
    cross_entropy{.over = divisor::none}(on, seen, seen, given,
                                         sink<T, cpu>{.value = view<T, 1>(values.data(), values.size())});
    for (const T value : values) found.loss += static_cast<double>(value);
    const index classes = seen.logits.extent(1);
    for (index r = 0; r < given.labels.extent(0); ++r) {
      const T* const row = &seen.logits(r, 0);
      right += std::max_element(row, row + classes) - row == given.labels(r) ? 1 : 0;
    }
    found.guessed += given.labels.extent(0);
  }
  found.loss /= static_cast<double>(found.guessed);
  found.accuracy = static_cast<double>(right) / static_cast<double>(found.guessed);
  if (!std::isfinite(found.loss))
    throw std::runtime_error("the model's loss on held-out text is " + std::to_string(found.loss) +
                             ": its weights are no use");
  return found;
}

/// The same for a training loop; the score is the loss with its sign changed.
[[nodiscard]] inline evaluation_result evaluation_of(const masked_scores& s) {
  char line[96];
  std::snprintf(line, sizeof line, " held-out loss %.4f, perplexity %.1f, accuracy %.4f", s.loss, s.perplexity(),
                s.accuracy);
  return {.entry = {{"held_out", {{"loss", s.loss}, {"perplexity", s.perplexity()}, {"accuracy", s.accuracy}}}},
          .line = line,
          .score = -s.loss};
}

}  // namespace limbeck
