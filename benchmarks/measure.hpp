// What every benchmark of an op prints beside its time: bytes and operations, and what part of the machine's limits
// they are.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/core/view.hpp"
#include "limits.hpp"

namespace limbeck_bench {

/// Runs `op` as often as the benchmark says, then the limits of `threads` threads for about as long, at most 0.2 s.
/// `of_memory`: the traffic's share of a triad's over as much memory. `of_fma`: the operations' share of the peak. Both
/// by the median time of a run.
template <class Op>
void measure(benchmark::State& state, const work& done, int threads, Op&& op) {
  using benchmark::Counter;
  std::vector<double> runs;
  const double start = now();
  for (auto _ : state) {
    const double before = now();
    op();
    benchmark::ClobberMemory();
    runs.push_back(now() - before);
  }
  const double budget = std::min(now() - start, 0.2), seconds = median(runs);
  state.counters["bytes"] = done.traffic();
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(done.traffic()));
  state.counters["of_memory"] = done.traffic() / seconds / memory_limit(threads, done.footprint(), budget);
  if (done.flops > 0) {
    state.counters["flop"] = done.flops;
    state.counters["flop_rate"] = Counter(done.flops, Counter::kIsIterationInvariantRate);
    state.counters["of_fma"] = done.flops / seconds / multiply_add_limit(threads, budget);
  }
  if (done.elements > 0)  // printed as a time
    state.counters["per_element"] = Counter(done.elements, Counter::kIsIterationInvariantRate | Counter::kInvert);
}

/// `count` numbers from 0 to 4, the same ones for the same seed.
template <class T>
limbeck::buffer<T> numbers(index count, unsigned seed) {
  limbeck::buffer<T> made(count);
  for (index i = 0; i < count; ++i)
    made.data()[i] = static_cast<T>(static_cast<float>((seed = seed * 1664525U + 1013904223U) >> 8) / 4194304.0F);
  return made;
}

/// A matrix of such numbers, without gaps.
struct matrix {
  index rows, columns;
  limbeck::buffer<float> held;

  matrix(index height, index width, unsigned seed = 1)
      : rows(height), columns(width), held(numbers<float>(height * width, seed)) {}
  [[nodiscard]] limbeck::view<const float, 2> seen() const { return {held.data(), {{rows, columns}}, {{columns, 1}}}; }
  [[nodiscard]] limbeck::view<float, 2> all() { return {held.data(), {{rows, columns}}, {{columns, 1}}}; }
  /// The first row.
  [[nodiscard]] limbeck::view<const float, 1> row() const {
    return limbeck::view<const float, 1>(held.data(), columns);
  }
  [[nodiscard]] limbeck::view<float, 1> row() { return limbeck::view<float, 1>(held.data(), columns); }
  [[nodiscard]] double bytes() const { return floats(rows * columns); }
};

/// The states of a batch: 4096 tokens, 768 wide, and a packed one of 32 short texts, 312 wide; one thread and two.
inline void state_shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"tokens", "width", "threads"})->UseRealTime();
  for (const index threads : {1, 2}) b->Args({4096, 768, threads})->Args({832, 312, threads});
}

}  // namespace limbeck_bench
