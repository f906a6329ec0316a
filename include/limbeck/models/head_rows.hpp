// The rows of the last hidden state that a head reads: taken, and their gradients put back.
#pragma once

#include "limbeck/backend/arena.hpp"
#include "limbeck/models/placed_batch.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "limbeck/ops/embedding.hpp"

namespace limbeck {

/// The first token of each sample that has one, of a hidden state that lies as `layout` says.
[[nodiscard]] inline head_rows<cpu> first_rows_of(const batch_layout<cpu>& layout, arena& memory) {
  const index samples = layout.rows.extent(0);
  if (row_a_sample(layout)) return {.samples = samples};
  const view<std::int32_t, 1> tokens = memory.vector<std::int32_t>(samples),
                              whose = memory.vector<std::int32_t>(samples);
  index count = 0;
  for (index i = 0; i < samples; ++i)
    if (layout.rows(i).length > 0) {
      tokens(count) = static_cast<std::int32_t>(layout.rows(i).begin);
      whose(count++) = static_cast<std::int32_t>(i);
    }
  return {.all = false,
          .tokens = view<const std::int32_t, 1>(tokens.data(), count),
          .sample_of_row = view<const std::int32_t, 1>(whose.data(), count),
          .samples = samples};
}

/// The tokens whose logits are wanted, and which samples they belong to.
[[nodiscard]] inline head_rows<cpu> logit_rows_of(const token_batch<cpu>& batch, const batch_layout<cpu>& layout,
                                                  arena& memory) {
  return {.all = batch.logit_tokens.empty(),
          .tokens = batch.logit_tokens,
          .sample_of_row = samples_of(layout, batch.logit_tokens, memory),
          .samples = layout.rows.extent(0)};
}

namespace detail {

/// The rows that are read: `hidden` itself, or a copy.
template <class E, class T, backend B>
[[nodiscard]] view<const T, 2, B> take_rows(const E& on, const head_rows<B>& rows, view<const T, 2, B> hidden,
                                            basic_arena<B>& memory) {
  if (rows.all) return hidden;
  const view<T, 2, B> taken = memory.template matrix<T>(rows.tokens.extent(0), hidden.extent(1));
  ops::gather_rows(on, hidden, rows.tokens, taken);
  return taken;
}

/// Puts the gradient of rows that were taken back to their tokens; the other rows get 0.
template <class E, class T, backend B>
void return_rows(const E& on, const head_rows<B>& rows, view<const T, 2, B> dtaken, view<T, 2, B> dhidden) {
  if (rows.all) return ops::copy(on, dtaken, dhidden);
  ops::fill(on, T(0), dhidden);
  ops::scatter_rows(on, dtaken, rows.tokens, dhidden);
}

}  // namespace detail
}  // namespace limbeck
