// A batch where a model works on it: its tokens, with all that follows from where they lie.
#pragma once

#include <concepts>
#include <cstdint>

#include "limbeck/backend/arena.hpp"
#include "limbeck/blocks/batch_layout.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/models/attention_maps.hpp"
#include "limbeck/models/token_batch.hpp"

namespace limbeck {

/// The rows of the last hidden state that a head reads.
template <backend B = cpu>
struct head_rows {
  bool all = true;                                 ///< in their order; else those of `tokens`
  view<const std::int32_t, 1, B> tokens{};         ///< [rows], rising
  view<const std::int32_t, 1, B> sample_of_row{};  ///< [rows], rising; may be empty where all are read
  index samples = 0;
};

/// Made on the host from a token_batch, then brought to where the model works.
template <backend B = cpu>
struct placed_batch {
  token_batch<B> tokens{};       ///< with a position for each token
  batch_layout<B> layout{};      ///< of the last layer
  head_rows<B> head{};           ///< where logits are wanted
  detail::map_places<B> maps{};  ///< where a layer's attention maps are wanted
};

/// Calls one(array, the same array of the other) for every array of a batch.
template <backend From, backend To, class F>
void for_each_array(const placed_batch<From>& from, placed_batch<To>& to, const F& one) {
  one(from.tokens.ids, to.tokens.ids);
  one(from.tokens.types, to.tokens.types);
  one(from.tokens.positions, to.tokens.positions);
  one(from.tokens.rows, to.tokens.rows);
  one(from.tokens.logit_tokens, to.tokens.logit_tokens);
  one(from.layout.queries, to.layout.queries);
  one(from.layout.query_tokens, to.layout.query_tokens);
  one(from.head.tokens, to.head.tokens);
  one(from.head.sample_of_row, to.head.sample_of_row);
  one(from.maps.at, to.maps.at);
}

/// Brings batches from the host to where a model works. models/placed_batch_cuda.hpp does it for a device.
template <backend B>
class batch_mover;

template <>
class batch_mover<cpu> {
 public:
  /// What make(arena&) returns: it is where it has to be.
  template <executor E, class Make>
  placed_batch<cpu> operator()(const E&, arena& memory, const Make& make) {
    return make(memory);
  }
};

}  // namespace limbeck
