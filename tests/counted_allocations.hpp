// Counts every use of operator new in the executable that includes this, in one file of it: a test that something
// allocates nothing. What a library takes from malloc for itself, as Eigen does in its products, is not counted.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

#if !defined(__has_feature)
#define __has_feature(x) 0
#endif

namespace limbeck_test {

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool counts_allocations = false;  // a sanitizer counts on its own operators
#else
#define LIMBECK_TEST_COUNTS_ALLOCATIONS
inline constexpr bool counts_allocations = true;
#endif

inline std::atomic<long> allocations{0};

[[nodiscard]] inline void* counted_allocation(std::size_t bytes, std::size_t alignment) {
  ++allocations;
  const std::size_t whole = (bytes + alignment - 1) / alignment * alignment;
  if (void* const at = std::aligned_alloc(alignment, whole > 0 ? whole : alignment)) return at;
  throw std::bad_alloc();
}

}  // namespace limbeck_test

#if defined(LIMBECK_TEST_COUNTS_ALLOCATIONS)
[[gnu::noinline]] void* operator new(std::size_t bytes) { return limbeck_test::counted_allocation(bytes, 16); }
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return limbeck_test::counted_allocation(bytes, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* at) noexcept { std::free(at); }
[[gnu::noinline]] void operator delete(void* at, std::size_t) noexcept { std::free(at); }
[[gnu::noinline]] void operator delete(void* at, std::align_val_t) noexcept { std::free(at); }
[[gnu::noinline]] void operator delete(void* at, std::size_t, std::align_val_t) noexcept { std::free(at); }
#endif
