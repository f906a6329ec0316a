// The tokens of a batch, as a model reads them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "limbeck/backend/arena.hpp"
#include "limbeck/blocks/batch_layout.hpp"
#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// Packed or padded: sample i is tokens rows(i).begin .. + length of every array. The arrays must live until the
/// backward pass is done.
template <backend B = cpu>
struct token_batch {
  view<const std::int32_t, 1, B> ids{};        ///< [tokens]
  view<const std::int32_t, 1, B> types{};      ///< [tokens]; empty: all 0
  view<const std::int32_t, 1, B> positions{};  ///< [tokens]; empty: each sample counts from 0
  view<const sample_rows, 1, B> rows{};        ///< [samples]
  /// Heads with a row of logits a token: which tokens, in rising order; empty: all.
  view<const std::int32_t, 1, B> logit_tokens{};
};

/// Checks the samples, types and positions against the tokens and tells what follows from them. Throws contract_error
/// naming the sample, or both counts.
[[nodiscard]] inline batch_layout<cpu> layout_of(const token_batch<cpu>& batch) {
  batch_layout<cpu> out{batch.rows, batch.ids.extent(0), 0, false};
  const auto one_a_token = [&](const char* what, view<const std::int32_t, 1> numbers) {
    expects(numbers.empty() || numbers.extent(0) == out.tokens,
            [&] { return message("token_batch: ", numbers.extent(0), " ", what, " for ", out.tokens, " tokens"); });
  };
  one_a_token("types", batch.types);
  one_a_token("positions", batch.positions);
  index covered = 0;
  for (index i = 0; i < batch.rows.extent(0); ++i) {
    const sample_rows s = batch.rows(i);
    expects(s.begin >= 0 && s.length >= 0 && s.begin + s.length <= out.tokens && s.keys >= 0 && s.keys <= s.length,
            [&] {
              return message("token_batch: sample ", i, " has rows ", s.begin, " to ", s.begin + s.length, " and ",
                             s.keys, " keys in a batch of ", out.tokens, " tokens");
            });
    out.longest = std::max(out.longest, s.length);
    covered += s.length;
  }
  out.gaps = covered < out.tokens;
  return out;
}

/// The layout for a last layer of which only each sample's first token is wanted.
[[nodiscard]] inline batch_layout<cpu> first_tokens_of(batch_layout<cpu> batch, arena& memory) {
  const view<sample_rows, 1> queries = memory.vector<sample_rows>(batch.rows.extent(0));
  const view<std::int32_t, 1> tokens = memory.vector<std::int32_t>(batch.rows.extent(0));
  index count = 0;
  for (index i = 0; i < batch.rows.extent(0); ++i) {
    const bool any = batch.rows(i).length > 0;
    queries(i) = {count, any ? 1 : 0, any ? 1 : 0};
    if (any) tokens(count++) = static_cast<std::int32_t>(batch.rows(i).begin);
  }
  batch.queries = queries;
  batch.query_tokens = view<const std::int32_t, 1>(tokens.data(), count);
  return batch;
}

/// Whether row i is all there is of sample i: so first_tokens_of() leaves the rows where no sample is empty.
[[nodiscard]] inline bool row_a_sample(const batch_layout<cpu>& layout) {
  bool every = layout.tokens == layout.rows.extent(0);
  for (index i = 0; every && i < layout.tokens; ++i) every = layout.rows(i).begin == i && layout.rows(i).length == 1;
  return every;
}

/// Positions that count from 0 in each sample; 0 for tokens of no sample.
[[nodiscard]] inline view<const std::int32_t, 1> counted_positions(const batch_layout<cpu>& batch, arena& memory) {
  const view<std::int32_t, 1> out = memory.vector<std::int32_t>(batch.tokens);
  std::fill_n(out.data(), batch.tokens, 0);
  for (index i = 0; i < batch.rows.extent(0); ++i)
    for (index t = 0; t < batch.rows(i).length; ++t) out(batch.rows(i).begin + t) = static_cast<std::int32_t>(t);
  return out;
}

/// For each of `tokens` (empty: every token) the sample it belongs to; a token of no sample counts to the one before.
[[nodiscard]] inline view<const std::int32_t, 1> samples_of(const batch_layout<cpu>& batch,
                                                            view<const std::int32_t, 1> tokens, arena& memory) {
  const index count = tokens.empty() ? batch.tokens : tokens.extent(0);
  const view<std::int32_t, 1> out = memory.vector<std::int32_t>(count);
  index sample = 0;
  for (index i = 0; i < count; ++i) {
    const index token = tokens.empty() ? i : tokens(i);
    while (sample + 1 < batch.rows.extent(0) && batch.rows(sample + 1).begin <= token) ++sample;
    out(i) = static_cast<std::int32_t>(sample);
  }
  return out;
}

}  // namespace limbeck
