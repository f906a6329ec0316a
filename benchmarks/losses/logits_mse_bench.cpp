// What squared distances of class scores, and of a regressor's outputs, cost.
#include "limbeck/losses/logits_mse.hpp"

#include "limbeck/losses/regression_mse.hpp"
#include "measure.hpp"

namespace {

using limbeck::index;
using limbeck::view;
using limbeck_bench::numbers;

template <class Loss, class T>
void squared(benchmark::State& state) {
  const index rows = state.range(0), classes = state.range(1);
  const auto mine = numbers<T>(rows * classes, 1), theirs = numbers<T>(rows * classes, 2);
  limbeck::buffer<T> gradient(rows * classes), value(rows);
  const limbeck::signals<const T> student{view<const T, 2>(mine.data(), rows, classes)};
  const limbeck::signals<const T> teacher{view<const T, 2>(theirs.data(), rows, classes)};
  limbeck::targets<T> given;
  given.scores = view<const T, 1>(theirs.data(), rows);
  limbeck::sink<T, limbeck::cpu> out{view<T, 1>(value.data(), rows)};
  out.gradient.logits = view<T, 2>(gradient.data(), rows, classes);
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(2))};
  const double count = static_cast<double>(rows * classes), bytes = count * sizeof(T);
  limbeck_bench::measure(state, {.read = 2 * bytes, .updated = bytes, .elements = count}, on.threads,
                         [&] { Loss{}(on, student, teacher, given, out); });
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "classes", "threads"})->UseRealTime();
  for (const index threads : {1, 2}) b->Args({8192, 1000, threads})->Args({512, 30522, threads});
  for (const index classes : {2, 3, 16, 100}) b->Args({262144 / classes, classes, 1});
}
BENCHMARK_TEMPLATE(squared, limbeck::logits_mse, float)->Apply(shapes);
BENCHMARK_TEMPLATE(squared, limbeck::regression_mse, float)
    ->ArgNames({"rows", "classes", "threads"})
    ->Args({262144, 1, 1})
    ->UseRealTime();

}  // namespace
