// Matrix products as transformers have them, for one provider each: matmul_PROVIDER_bench.cpp.
#pragma once

#include "limbeck/ops/linear.hpp"
#include "measure.hpp"

namespace limbeck_bench {

/// Multiplications and additions of a product [rows, inner] [inner, columns].
[[nodiscard]] constexpr double product_flops(index rows, index inner, index columns) {
  return 2 * static_cast<double>(rows * inner * columns);
}

/// c = a b.
template <class Provider>
void product(benchmark::State& state) {
  const limbeck::cpu_executor<Provider> on{static_cast<int>(state.range(3))};
  const matrix a(state.range(0), state.range(1)), b(a.columns, state.range(2), 2);
  matrix c(a.rows, b.columns);
  measure(state,
          {.read = a.bytes() + b.bytes(), .written = c.bytes(), .flops = product_flops(a.rows, a.columns, b.columns)},
          on.threads, [&] { limbeck::ops::matmul(on, a.seen(), b.seen(), c.all()); });
}

/// y = x W' + bias.
template <class Provider>
void linear(benchmark::State& state) {
  const limbeck::cpu_executor<Provider> on{static_cast<int>(state.range(3))};
  const matrix x(state.range(0), state.range(1)), weight(state.range(2), x.columns, 2), bias(1, weight.rows);
  matrix y(x.rows, weight.rows);
  measure(state,
          {.read = x.bytes() + weight.bytes() + bias.bytes(),
           .written = y.bytes(),
           .flops = product_flops(x.rows, x.columns, y.columns)},
          on.threads, [&] { limbeck::ops::linear(on, x.seen(), weight.seen(), bias.row(), y.all()); });
}

/// Two products, and the column sums of dy.
template <class Provider>
void linear_backward(benchmark::State& state) {
  const limbeck::cpu_executor<Provider> on{static_cast<int>(state.range(3))};
  const matrix x(state.range(0), state.range(1)), weight(state.range(2), x.columns, 2), dy(x.rows, weight.rows, 3);
  matrix dweight(weight.rows, weight.columns), dbias(1, weight.rows), dx(x.rows, x.columns);
  measure(state,
          {.read = x.bytes() + weight.bytes() + dy.bytes(),
           .written = dx.bytes(),
           .updated = dweight.bytes() + dbias.bytes(),
           .flops = 2 * product_flops(x.rows, x.columns, dy.columns)},
          on.threads, [&] {
            limbeck::ops::linear_backward(on, x.seen(), weight.seen(), dy.seen(), dweight.all(), dbias.row(), dx.all());
          });
}

/// The projections and the two halves of the feed-forward of TinyBERT-4L-312, and a projection of BERT-base.
inline void product_shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "inner", "columns", "threads"})->UseRealTime();
  for (const index threads : {1, 2})
    b->Args({832, 312, 312, threads})->Args({832, 312, 1200, threads})->Args({832, 1200, 312, threads});
  b->Args({1024, 768, 768, 2});
}

}  // namespace limbeck_bench
