// Workspace for one forward and backward pass: taken piece by piece, given back all at once, kept for the next pass.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <vector>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/core/executors.hpp"

namespace limbeck {

/// Where the blocks of an arena come from. backend/cuda_arena.hpp has those of a device.
template <backend B>
struct arena_source;
template <>
struct arena_source<cpu> {
  arena_source() = default;
  template <class Provider>
  explicit arena_source(const cpu_executor<Provider>&) {}
  [[nodiscard]] buffer<std::byte, cpu> block(index bytes) const { return buffer<std::byte, cpu>(bytes); }
};

/// Hands out aligned pieces of a block that grows to the largest pass seen and then never allocates again. Pieces stay
/// valid until reset() or rewind() below them. Not for several threads at once.
template <backend B>
class basic_arena {
 public:
  basic_arena() = default;
  /// In the memory that `on` works on.
  template <class E>
    requires std::same_as<backend_of<E>, B>
  explicit basic_arena(const E& on) : source_(on) {}

  /// Where the arena stands; rewind() returns there.
  struct mark {
    std::size_t block, used;
  };

  /// `count` elements, not initialised, aligned to 64 bytes.
  template <class T>
  [[nodiscard]] T* take(index count) {
    static_assert(alignof(T) <= 64);
    const std::size_t bytes = (static_cast<std::size_t>(std::max<index>(count, 0)) * sizeof(T) + 63) / 64 * 64;
    return reinterpret_cast<T*>(take_bytes(bytes));
  }
  template <class T>
  [[nodiscard]] view<T, 1, B> vector(index count) {
    return view<T, 1, B>(take<T>(count), count);
  }
  template <class T>
  [[nodiscard]] view<T, 2, B> matrix(index rows, index columns) {
    return view<T, 2, B>(take<T>(rows * columns), rows, columns);
  }

  [[nodiscard]] mark here() const { return {current_, used_}; }
  void rewind(mark to) {
    current_ = to.block;
    used_ = to.used;
  }

  /// Forgets every piece. Where the last pass needed several blocks, one block of their size replaces them, so the
  /// next pass of that size allocates nothing.
  void reset() {
    if (blocks_.size() > 1) {
      const index total = capacity();
      blocks_.clear();
      blocks_.push_back(source_.block(total));
    }
    current_ = used_ = 0;
  }

  /// Bytes held.
  [[nodiscard]] index capacity() const {
    index total = 0;
    for (const auto& b : blocks_) total += b.count();
    return total;
  }

 private:
  std::byte* take_bytes(std::size_t bytes) {
    while (current_ < blocks_.size() && used_ + bytes > static_cast<std::size_t>(blocks_[current_].count())) {
      ++current_;
      used_ = 0;
    }
    if (current_ == blocks_.size())
      blocks_.push_back(source_.block(std::max<index>(static_cast<index>(bytes), first_block)));
    std::byte* const at = blocks_[current_].data() + used_;
    used_ += bytes;
    return at;
  }

  static constexpr index first_block = index{1} << 20;
  [[no_unique_address]] arena_source<B> source_;
  std::vector<buffer<std::byte, B>> blocks_;
  std::size_t current_ = 0, used_ = 0;
};

using arena = basic_arena<cpu>;

}  // namespace limbeck
