// What cross-entropy with labels costs.
#include "limbeck/losses/cross_entropy.hpp"

#include <cstdint>
#include <vector>

#include "measure.hpp"

namespace {

using limbeck::index;
using limbeck::view;
using limbeck_bench::numbers;

template <class T>
void cross_entropy(benchmark::State& state) {
  const index rows = state.range(0), classes = state.range(1);
  const auto logits = numbers<T>(rows * classes, 1);
  limbeck::buffer<T> gradient(rows * classes), value(rows);
  std::vector<std::int32_t> labels;
  for (index i = 0; i < rows; ++i) labels.push_back(static_cast<std::int32_t>(i * 7919 % classes));
  const limbeck::signals<const T> student{view<const T, 2>(logits.data(), rows, classes)};
  const limbeck::targets<T> given{view<const std::int32_t, 1>(labels.data(), rows)};
  limbeck::sink<T, limbeck::cpu> out{view<T, 1>(value.data(), rows)};
  out.gradient.logits = view<T, 2>(gradient.data(), rows, classes);
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(2))};
  const double count = static_cast<double>(rows * classes), bytes = count * sizeof(T);
  limbeck_bench::measure(state, {.read = bytes, .updated = bytes, .elements = count}, on.threads, [&] {
    limbeck::cross_entropy{.label_smoothing = 0.1}(on, student, limbeck::signals<const T>{}, given, out);
  });
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "classes", "threads"})->UseRealTime();
  for (const index threads : {1, 2}) b->Args({8192, 1000, threads})->Args({512, 30522, threads});
  for (const index classes : {2, 3, 16, 100}) b->Args({262144 / classes, classes, 1});
}
BENCHMARK_TEMPLATE(cross_entropy, float)->Apply(shapes);
BENCHMARK_TEMPLATE(cross_entropy, double)
    ->ArgNames({"rows", "classes", "threads"})
    ->Args({512, 1000, 1})
    ->UseRealTime();

}  // namespace
