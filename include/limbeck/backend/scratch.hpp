// Working memory of one thread, kept from call to call.
#pragma once

#include "limbeck/backend/buffer.hpp"

namespace limbeck {

/// At least `count` elements for the calling thread, aligned to 64 bytes, holding anything. The memory belongs to `Tag`
/// (an empty type, one for each purpose) and grows to the largest count asked for: a second call of the same size
/// allocates nothing.
template <class Tag, class T>
[[nodiscard]] T* thread_scratch(index count) {
  thread_local buffer<T> kept;
  if (kept.count() < count) kept = buffer<T>(count);
  return kept.data();
}

}  // namespace limbeck
