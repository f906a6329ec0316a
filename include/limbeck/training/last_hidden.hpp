// What a classifier's head reads, kept without it, and the head run on that again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "limbeck/training/evaluation.hpp"
#include "limbeck/training/teacher_store.hpp"

namespace limbeck {

/// The first tokens' last hidden states of a set's samples, in the order in which a model ran them.
struct last_hidden_states {
  std::vector<float> numbers;             ///< [samples, width]
  std::vector<std::ptrdiff_t> samples;    ///< whose row it is
  std::vector<std::int64_t> batch_begin;  ///< [batches + 1]: rows that the head read at once
};

/// Runs the model as logits_of() does, over the same batches. Throws as it does.
template <launchable E>
[[nodiscard]] last_hidden_states last_hidden_of(const E& on, const bert_classifier& model, view<const float, 1> weights,
                                                const sample_set& set, const batch_limits& most = {},
                                                const progress_callback& progress = {}) {
  last_hidden_states out;
  out.batch_begin.push_back(0);
  detail::for_each_batch(
      on, model, weights, set, most, progress,
      [&](std::span<const std::ptrdiff_t> chosen, const signals<const float>&, const bert_classifier::pass<float>& p) {
        const view<const float, 2> read = p.head.first;
        out.numbers.insert(out.numbers.end(), read.data(), read.data() + read.count());
        out.samples.insert(out.samples.end(), chosen.begin(), chosen.end());
        out.batch_begin.push_back(static_cast<std::int64_t>(out.samples.size()));
      });
  detail::expects_finite_outputs(std::span<const float>(out.numbers),
                                 static_cast<std::size_t>(model.backbone().sizes().width), out.samples);
  return out;
}

/// The logits of rows of a store, [rows, classes], in the model's order, from what it read when they were made. The
/// head runs over the batches of then, whatever rows are wanted and in whatever order: with the same provider of
/// products and as many threads the bits are those that logits_of() had. Throws contract_error where the store has no
/// last hidden states of the model's width or a row, std::runtime_error where a logit is not finite.
template <launchable E>
[[nodiscard]] std::vector<float> logits_from_last_hidden(const E& on, const bert_classifier& model,
                                                         view<const float, 1> weights, const teacher_store& store,
                                                         std::span<const index> rows) {
  const auto classes = static_cast<std::size_t>(model.head().classes());
  const index width = model.backbone().sizes().width;
  expects(store.last_hidden_width() == width, [&] {
    return message("teacher store: last hidden states of width ", store.last_hidden_width(), ", the model has ", width);
  });
  store.prefetch_last_hidden();
  std::vector<char> wanted(static_cast<std::size_t>(store.samples()), 0);
  for (const index row : rows) {
    expects(row >= 0 && row < store.samples(),
            [&] { return message("teacher store: row ", row, " is wanted of ", store.samples()); });
    wanted[static_cast<std::size_t>(row)] = 1;
  }
  std::vector<float> all(wanted.size() * classes), found;
  classification_head::kept<float> kept;
  arena memory;
  const std::span<const std::int64_t> begin = store.batch_begin();
  for (std::size_t b = 0; b + 1 < begin.size(); ++b) {
    const index first = begin[b], samples = begin[b + 1] - first;
    if (std::find(wanted.begin() + first, wanted.begin() + first + samples, 1) == wanted.begin() + first + samples)
      continue;
    memory.reset();
    const view<float, 2> hidden = memory.matrix<float>(samples, width);
    store.gather_last_hidden(first, hidden);
    signals<float> seen;
    model.head().forward(on, weights, head_rows<>{.samples = samples}, inference, read_only(hidden), memory, kept,
                         seen);
    std::copy_n(seen.logits.data(), static_cast<std::size_t>(samples) * classes,
                all.begin() + first * static_cast<index>(classes));
  }
  for (const index row : rows)
    found.insert(found.end(), all.begin() + row * static_cast<index>(classes),
                 all.begin() + (row + 1) * static_cast<index>(classes));
  detail::expects_finite_outputs(std::span<const float>(found), classes);
  return found;
}

}  // namespace limbeck
