// Where the attention maps of a batch lie.
#pragma once

#include "limbeck/backend/arena.hpp"
#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck::detail {

/// Maps of every head of the samples, one sample behind the other, that have no memory yet: all layers share their
/// places, which lie in `memory`.
template <class T>
[[nodiscard]] square_blocks<T> maps_of(view<const sample_rows, 1> samples, index heads, bool causal, arena& memory) {
  const view<block, 1> at = memory.vector<block>(samples.extent(0));
  index offset = 0;
  for (index i = 0; i < at.extent(0); ++i) {
    at(i) = {offset, samples(i).length};
    offset += heads * at(i).side * at(i).side;
  }
  return {nullptr, heads, at, causal};
}

/// How many numbers such maps are.
template <class T>
[[nodiscard]] index map_elements(const square_blocks<T>& maps) {
  if (maps.at.extent(0) == 0) return 0;
  const block last = maps.at(maps.at.extent(0) - 1);
  return last.offset + maps.heads * last.side * last.side;
}

/// The same maps in memory of their own.
template <class T>
[[nodiscard]] square_blocks<T> in_memory(square_blocks<T> maps, arena& memory) {
  maps.data = memory.take<T>(map_elements(maps));
  return maps;
}

}  // namespace limbeck::detail
