// Splits work over the threads of a call, through OpenMP where the compiler has it on.
#pragma once

#include <algorithm>

#include "limbeck/core/view.hpp"

namespace limbeck {

/// Chunk `part` of `parts` equal shares of 0 .. count, as a half-open range.
struct chunk {
  index begin, end;
};
[[nodiscard]] constexpr chunk share_of(index count, index part, index parts) {
  const index whole = count / parts, rest = count % parts;
  const index begin = part * whole + std::min(part, rest);
  return {begin, begin + whole + (part < rest ? 1 : 0)};
}

/// Calls body(begin, end) on at most `threads` contiguous chunks that cover 0 .. count, each on a thread of its own.
/// `body` must not throw. Without OpenMP, or inside another parallel region, one thread does it all.
template <class Body>
void parallel_for(int threads, index count, Body&& body) {
  const index parts = std::clamp<index>(threads, 1, std::max<index>(count, 1));
  if (parts == 1) {
    if (count > 0) body(index{0}, count);
    return;
  }
#if defined(_OPENMP)
#pragma omp parallel for num_threads(static_cast<int>(parts)) schedule(static, 1)
#endif
  for (index part = 0; part < parts; ++part) {
    const chunk c = share_of(count, part, parts);
    body(c.begin, c.end);
  }
}

/// As parallel_for, with fewer threads where a thread would get less than `least` items: small work stays on one.
template <class Body>
void parallel_for(int threads, index count, index least, Body&& body) {
  const index worth = std::max<index>(1, count / std::max<index>(least, 1));
  parallel_for(static_cast<int>(std::min<index>(threads, worth)), count, static_cast<Body&&>(body));
}

/// Calls body(item) for 0 .. count, each as soon as a thread is free: for items of uneven cost. Which thread takes an
/// item differs from run to run, so `body` must write to places of its item only.
template <class Body>
void parallel_each(int threads, index count, Body&& body) {
  const index parts = std::clamp<index>(threads, 1, std::max<index>(count, 1));
#if defined(_OPENMP)
#pragma omp parallel for num_threads(static_cast<int>(parts)) schedule(dynamic, 1) if (parts > 1)
#endif
  for (index item = 0; item < count; ++item) body(item);
  (void)parts;
}

}  // namespace limbeck
