// The rows that a layer answers for: taken from those of its tokens, and put back among them.
#pragma once

#include "limbeck/blocks/batch_layout.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "limbeck/ops/embedding.hpp"

namespace limbeck {

/// x [tokens, width], of which a whole layer answers for every row; a narrowed one's rows are copied to `room`
/// [answers, width].
template <launchable E, class T, backend B = backend_of<E>>
[[nodiscard]] view<const T, 2, B> gather_answers(const E& on, const batch_layout<B>& batch, view<const T, 2, B> x,
                                                 view<T, 2, B> room) {
  if (!batch.narrowed()) return x;
  ops::gather_rows(on, x, batch.query_tokens, room);
  return room;
}

/// d [tokens, width] += rows [answers, width], each at its token.
template <launchable E, class T, backend B = backend_of<E>>
void scatter_answers(const E& on, const batch_layout<B>& batch, view<const T, 2, B> rows, view<T, 2, B> d) {
  if (batch.narrowed())
    ops::scatter_rows(on, rows, batch.query_tokens, d);
  else
    ops::add(on, rows, d);
}

}  // namespace limbeck
