// Where each sample's tokens and attention maps lie: packed and padded batches differ in nothing else.
#pragma once

#include <type_traits>

#include "limbeck/core/view.hpp"

namespace limbeck {

/// A sample's tokens are rows `begin` .. `begin + length` of every [tokens, width] matrix of the batch. Rows attend to
/// the first `keys` of them (at most `length`): fewer only where padded rows take part, as in TinyBERT's released code.
/// Tokens that belong to no sample (a caller's padding, on either side) are never read.
struct sample_rows {
  index begin = 0, length = 0, keys = 0;
};

/// How many keys, counted from the sample's first token, query row `row` attends to.
[[nodiscard]] LIMBECK_HD constexpr index visible_keys(const sample_rows& s, index row, bool causal) {
  return causal && row + 1 < s.keys ? row + 1 : s.keys;
}

/// Where a sample's attention maps start in a buffer of square maps, and how many rows are stored: length or more.
struct block {
  index offset = 0, side = 0;
};

/// Square maps in one buffer, a block [heads, side, side] a sample. A padded [samples, heads, side, side] tensor is
/// the same thing with offsets at equal distances. Of row r of a sample only the first visible_keys() columns mean
/// anything.
template <class T, backend B = cpu>
struct square_blocks {
  T* data = nullptr;
  index heads = 0;
  view<const block, 1, B> at{};  ///< [samples]
  bool causal = false;           ///< a row holds only columns up to its own

  [[nodiscard]] LIMBECK_HD bool empty() const { return data == nullptr; }
  /// The map of one head of one sample, [side, side]. To be called where the memory is.
  [[nodiscard]] LIMBECK_HD view<T, 2, B> map(index sample, index head) const {
    const block b = at(sample);
    return view<T, 2, B>(data + b.offset + head * b.side * b.side, b.side, b.side);
  }
  /// Adds const. (A template because nvcc warns of a conversion to the same type, called or not.)
  template <class U>
    requires(std::is_same_v<U, const T> && !std::is_const_v<T>)
  operator square_blocks<U, B>() const {
    return {data, heads, at, causal};
  }
};

}  // namespace limbeck
