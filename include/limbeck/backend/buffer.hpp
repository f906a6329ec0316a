// An owning, aligned array in host memory.
#pragma once

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

#include "limbeck/core/view.hpp"

namespace limbeck {

namespace detail {

inline constexpr std::size_t huge_page = std::size_t{1} << 21;

/// Asks the system to back large memory with pages of 2 MiB, where it leaves the choice to programs: a sweep over many
/// megabytes then misses fewer translations of addresses.
inline void wish_for_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (bytes >= huge_page) (void)::madvise(memory, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
}

}  // namespace detail

/// Owns `count` elements of a trivial type in the memory of B, aligned to 64 bytes and zero at first. Moves, never
/// copies by accident: copy_of() says so.
template <class T, backend B = cpu>
class buffer;

template <class T>
class buffer<T, cpu> {
 public:
  buffer() = default;
  /// Throws std::bad_alloc where memory runs out, contract_error if count is negative.
  explicit buffer(index count) : count_(count) {
    expects(count >= 0, "buffer: the count is negative");
    if (count == 0) return;
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
    data_ = {static_cast<T*>(::operator new(bytes, alignment_of(bytes))), release{alignment_of(bytes)}};
    detail::wish_for_huge_pages(data_.get(), bytes);
    std::uninitialized_fill_n(data_.get(), count, T{});
  }
  /// The same, for who does not know where an executor works.
  template <class Provider>
  buffer(const cpu_executor<Provider>&, index count) : buffer(count) {}

  [[nodiscard]] index count() const { return count_; }
  [[nodiscard]] T* data() { return data_.get(); }
  [[nodiscard]] const T* data() const { return data_.get(); }
  [[nodiscard]] view<T, 1> all() { return view<T, 1>(data_.get(), count_); }
  [[nodiscard]] view<const T, 1> all() const { return view<const T, 1>(data_.get(), count_); }
  void fill(T value) { std::fill_n(data_.get(), count_, value); }

 private:
  static std::align_val_t alignment_of(std::size_t bytes) {
    return std::align_val_t{bytes < detail::huge_page ? 64 : detail::huge_page};
  }
  struct release {
    std::align_val_t alignment{64};
    void operator()(T* p) const { ::operator delete(p, alignment); }
  };
  std::unique_ptr<T, release> data_;
  index count_ = 0;
};

/// A second buffer with the same elements.
template <class T>
[[nodiscard]] buffer<T, cpu> copy_of(const buffer<T, cpu>& from) {
  buffer<T, cpu> out(from.count());
  std::copy_n(from.data(), from.count(), out.data());
  return out;
}

}  // namespace limbeck
