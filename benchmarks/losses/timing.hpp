// What the benchmarks of losses share: numbers to compare, and what is reported.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "limbeck/core/view.hpp"

namespace limbeck_bench {

using limbeck::index;

/// `count` numbers from 0 to 4, the same ones for the same seed.
template <class T>
std::vector<T> numbers(index count, unsigned seed) {
  std::vector<T> made(static_cast<std::size_t>(count));
  for (T& x : made) x = static_cast<T>(static_cast<float>((seed = seed * 1664525U + 1013904223U) >> 8) / 4194304.0F);
  return made;
}

/// The time an element takes, and the bytes a second that the least traffic would be.
inline void report(benchmark::State& state, index elements, index bytes_an_element) {
  state.counters["per_element"] = benchmark::Counter(  // printed as a time
      static_cast<double>(elements), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * elements * bytes_an_element);
}

}  // namespace limbeck_bench
