// What a model says of a whole set of samples, and the states of its layers on the way.
#pragma once

#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/models/model.hpp"
#include "limbeck/training/evaluation.hpp"
#include "limbeck/training/kept_batch.hpp"
#include "limbeck/training/teacher_store_format.hpp"

namespace limbeck {

/// Signals of a set's samples, in the order in which a model ran them.
struct kept_states {
  kept_batch said;
  std::vector<std::ptrdiff_t> samples;  ///< whose they are
};

/// How many numbers of each token the states have.
[[nodiscard]] constexpr index numbers_of_a_token(const transformer_sizes& sizes, signal_set states) {
  index matrices = has(states, signal::embeddings) ? 1 : 0;
  for (const signal_set of_layer : {signal::hidden, signal::queries, signal::keys, signal::values})
    if (has(states, of_layer)) matrices += sizes.layers;
  return matrices * sizes.width;
}

/// Runs the model over the batches of an evaluation and keeps its logits and `states`, any of embeddings, hidden,
/// queries, keys and values, of all layers. Takes numbers_of_a_token() of memory for every token of the set. Throws
/// contract_error for other states or none, std::runtime_error where a logit is not finite.
template <launchable E>
[[nodiscard]] kept_states states_of(const E& on, const bert_classifier& model, view<const float, 1> weights,
                                    const sample_set& set, signal_set states, const batch_limits& most = {},
                                    const progress_callback& progress = {}) {
  constexpr signal_set possible = signal::embeddings | signal::hidden | signal::queries | signal::keys | signal::values;
  expects((states & possible) == states && states != signal::none,
          "states_of: can keep any of embeddings, hidden, queries, keys and values");
  const transformer_sizes& sizes = model.backbone().sizes();
  const index tokens = std::accumulate(set.lengths.begin(), set.lengths.end(), index{0});
  kept_states out;
  kept_batch& said = out.said;
  said.layers = static_cast<std::size_t>(sizes.layers);
  said.samples = set.size();
  said.kept = model.head().classes();
  for (const detail::state_tensor& t : detail::state_tensors(said.layers))
    if (has(states, t.what)) {
      said.states.push_back({t.what, t.layer, sizes.width, {}});
      said.states.back().numbers.reserve(static_cast<std::size_t>(tokens * sizes.width));
    }
  const auto append = [](std::vector<float>& to, const view<const float, 2>& from) {
    for (index r = 0; r < from.extent(0); ++r) to.insert(to.end(), &from(r, 0), &from(r, 0) + from.extent(1));
  };
  detail::for_each_batch(
      on, model, weights, set, most, progress,
      [&](std::span<const std::ptrdiff_t> chosen, const signals<const float>& seen, const auto&) {
        append(said.logits, seen.logits);
        for (kept_batch::state& state : said.states)
          append(state.numbers, detail::state_of(seen, state.what, state.layer));
        out.samples.insert(out.samples.end(), chosen.begin(), chosen.end());
        for (index i = 0; i < seen.rows.extent(0); ++i) {
          const index length = seen.rows(i).length;
          said.rows.push_back({said.tokens, length, length});
          said.tokens += length;
        }
      },
      signal::logits | states);
  detail::expects_finite_outputs(std::span<const float>(said.logits), static_cast<std::size_t>(said.kept), out.samples);
  return out;
}

}  // namespace limbeck
