// Scores a masked language model on text.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "limbeck/backend/arena.hpp"
#include "limbeck/backend/array_mover.hpp"
#include "limbeck/backend/host_copy.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/ops/argmax.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "limbeck/training/masked_documents.hpp"
#include "limbeck/training/masked_scores.hpp"

namespace limbeck {

/// Scores the model on every sample, masked as in the first epoch. A device is waited for once a batch. Throws
/// std::runtime_error where the loss is not finite.
template <launchable E, class Model, class T, backend B>
  requires std::same_as<backend_of<E>, B>
[[nodiscard]] masked_scores scores_of(const E& on, const Model& model, view<const T, 1, B> weights,
                                      const masked_documents& set, const batch_limits& most = {}) {
  const batch_order order = evaluation_batches(set.lengths, most);
  typename Model::template pass<T, B> pass(on);
  basic_arena<B> memory(on);
  array_mover<B> arrays;
  masked_batch<T> batch;
  masked_scores found;
  index right = 0;
  for (index b = 0; b < order.size(); ++b) {
    batch.fill(set, order[b]);
    const signals<const T, B> seen = model.forward(on, weights, batch.tokens(), signal::logits, inference, pass);
    const view<const std::int32_t, 1> labels = batch.given().labels;
    memory.reset();
    targets<T, B> given;
    arrays(on, memory, [&](const auto& one) { one(labels, given.labels); });
    const view<T, 1, B> values = memory.template vector<T>(batch.samples());
    const view<std::int32_t, 1, B> best = memory.template vector<std::int32_t>(labels.extent(0));
    ops::fill(on, T(0), values);
    cross_entropy{.over = divisor::none}(on, seen, seen, given, sink<T, B>{.value = values});
    ops::argmax(on, seen.logits, best);
    host_copy<T, B> values_here(values);
    host_copy<std::int32_t, B> best_here(best);
    const view<const T, 1> of_samples = values_here.fetch(on);
    for (index i = 0; i < of_samples.extent(0); ++i) found.loss += static_cast<double>(of_samples(i));
    const view<const std::int32_t, 1> guesses = best_here.fetch(on);
    for (index r = 0; r < labels.extent(0); ++r) right += guesses(r) == labels(r) ? 1 : 0;
    found.guessed += labels.extent(0);
  }
  found.loss /= static_cast<double>(found.guessed);
  found.accuracy = static_cast<double>(right) / static_cast<double>(found.guessed);
  if (!std::isfinite(found.loss))
    throw std::runtime_error("the model's loss on held-out text is " + std::to_string(found.loss) +
                             ": its weights are no use");
  return found;
}

}  // namespace limbeck
