// Dropout: from one matrix to another, in place, and added to a residual. The random words are made, not read.
#include "limbeck/ops/dropout.hpp"

#include "measure.hpp"

namespace {

using limbeck_bench::matrix, limbeck_bench::measure;

constexpr double rate = 0.1;
const limbeck::random_stream stream{.seed = 7};

void dropout(benchmark::State& state) {
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(2))};
  const matrix x(state.range(0), state.range(1));
  matrix y(x.rows, x.columns);
  measure(state, {.read = x.bytes(), .written = y.bytes()}, on.threads,
          [&] { limbeck::ops::dropout(on, rate, stream, x.seen(), y.all()); });
}

/// What is kept grows from run to run, what is dropped stays zero: the rate is next to none, so that nothing overflows.
void dropout_in_place(benchmark::State& state) {
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(2))};
  matrix x(state.range(0), state.range(1));
  measure(state, {.updated = x.bytes()}, on.threads, [&] { limbeck::ops::dropout(on, 1e-6, stream, x.all()); });
}

void add_dropped(benchmark::State& state) {
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(2))};
  const matrix x(state.range(0), state.range(1)), residual(x.rows, x.columns, 2);
  matrix y(x.rows, x.columns);
  measure(state, {.read = x.bytes() + residual.bytes(), .written = y.bytes()}, on.threads,
          [&] { limbeck::ops::add_dropped(on, rate, stream, x.seen(), residual.seen(), y.all()); });
}

BENCHMARK(dropout)->Apply(limbeck_bench::state_shapes);
BENCHMARK(dropout_in_place)->Apply(limbeck_bench::state_shapes);
BENCHMARK(add_dropped)->Apply(limbeck_bench::state_shapes);

}  // namespace
