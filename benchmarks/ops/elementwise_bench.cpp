// Sums, copies and constants.
#include "limbeck/ops/elementwise.hpp"

#include "measure.hpp"

namespace {

using limbeck_bench::matrix, limbeck_bench::measure;

void add(benchmark::State& state) {
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(2))};
  const matrix x(state.range(0), state.range(1));
  matrix y(x.rows, x.columns);
  measure(state, {.read = x.bytes(), .updated = y.bytes()}, on.threads,
          [&] { limbeck::ops::add(on, x.seen(), y.all()); });
}

void copy(benchmark::State& state) {
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(2))};
  const matrix x(state.range(0), state.range(1));
  matrix y(x.rows, x.columns);
  measure(state, {.read = x.bytes(), .written = y.bytes()}, on.threads,
          [&] { limbeck::ops::copy(on, x.seen(), y.all()); });
}

void fill(benchmark::State& state) {
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(2))};
  matrix y(state.range(0), state.range(1));
  measure(state, {.written = y.bytes()}, on.threads, [&] { limbeck::ops::fill(on, 1.0F, y.all()); });
}

BENCHMARK(add)->Apply(limbeck_bench::state_shapes);
BENCHMARK(copy)->Apply(limbeck_bench::state_shapes);
BENCHMARK(fill)->Apply(limbeck_bench::state_shapes);

}  // namespace
