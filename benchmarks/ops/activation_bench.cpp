// Activation functions: alone, behind a bias in one sweep, and backward.
#include "limbeck/ops/activation.hpp"

#include "limbeck/ops/elementwise.hpp"
#include "measure.hpp"

namespace {

using limbeck_bench::matrix, limbeck_bench::measure;

limbeck::cpu_executor<> executor_of(const benchmark::State& state) { return {static_cast<int>(state.range(2))}; }

template <class Activation>
void transform(benchmark::State& state) {
  const auto on = executor_of(state);
  const matrix x(state.range(0), state.range(1));
  matrix y(x.rows, x.columns);
  measure(state, {.read = x.bytes(), .written = y.bytes()}, on.threads,
          [&] { limbeck::ops::transform(on, Activation{}, x.seen(), y.all()); });
}

/// The bias stays so small that no sum of many runs overflows.
template <class Activation>
void transform_biased(benchmark::State& state) {
  const auto on = executor_of(state);
  matrix before(state.range(0), state.range(1)), after(before.rows, before.columns), bias(1, before.columns);
  limbeck::ops::fill(on, 1e-6F, bias.all());
  measure(state, {.read = bias.bytes(), .written = after.bytes(), .updated = before.bytes()}, on.threads, [&] {
    limbeck::ops::transform_biased(on, Activation{}, limbeck::read_only(bias.row()), before.all(), after.all());
  });
}

template <class Activation>
void transform_backward(benchmark::State& state) {
  const auto on = executor_of(state);
  const matrix x(state.range(0), state.range(1)), dy(x.rows, x.columns, 2);
  matrix dx(x.rows, x.columns);
  measure(state, {.read = x.bytes() + dy.bytes(), .written = dx.bytes()}, on.threads,
          [&] { limbeck::ops::transform_backward(on, Activation{}, x.seen(), dy.seen(), dx.all()); });
}

BENCHMARK_TEMPLATE(transform, limbeck::gelu)->Apply(limbeck_bench::state_shapes);
BENCHMARK_TEMPLATE(transform, limbeck::gelu_tanh)->Apply(limbeck_bench::state_shapes);
BENCHMARK_TEMPLATE(transform, limbeck::relu)->Apply(limbeck_bench::state_shapes);
BENCHMARK_TEMPLATE(transform, limbeck::hyperbolic_tangent)->Apply(limbeck_bench::state_shapes);
BENCHMARK_TEMPLATE(transform_biased, limbeck::gelu)->Apply(limbeck_bench::state_shapes);
BENCHMARK_TEMPLATE(transform_backward, limbeck::gelu)->Apply(limbeck_bench::state_shapes);

}  // namespace
