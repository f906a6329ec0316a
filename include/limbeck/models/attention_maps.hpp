// Where the attention maps of a batch lie.
#pragma once

#include "limbeck/backend/arena.hpp"
#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck::detail {

/// The places of every head's maps in a buffer, one sample behind the other: all layers share them.
template <backend B = cpu>
struct map_places {
  view<const block, 1, B> at{};  ///< [samples]
  index elements = 0;            ///< of the whole buffer
};

[[nodiscard]] inline map_places<cpu> places_of_maps(view<const sample_rows, 1> samples, index heads, arena& memory) {
  const view<block, 1> at = memory.vector<block>(samples.extent(0));
  index offset = 0;
  for (index i = 0; i < at.extent(0); ++i) {
    at(i) = {offset, samples(i).length};
    offset += heads * at(i).side * at(i).side;
  }
  return {at, offset};
}

/// Maps at these places, in memory of their own.
template <class T, backend B>
[[nodiscard]] square_blocks<T, B> maps_at(const map_places<B>& places, index heads, bool causal,
                                          basic_arena<B>& memory) {
  return {memory.template take<T>(places.elements), heads, places.at, causal};
}

}  // namespace limbeck::detail
