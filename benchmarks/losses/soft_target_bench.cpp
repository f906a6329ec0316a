// What the divergences of class scores cost.
#include "limbeck/losses/soft_target.hpp"

#include "measure.hpp"

namespace {

using limbeck::index;
using limbeck::view;
using limbeck_bench::numbers;

template <class Loss, class T>
void loss(benchmark::State& state) {
  const index rows = state.range(0), classes = state.range(1);
  const auto mine = numbers<T>(rows * classes, 1), theirs = numbers<T>(rows * classes, 2);
  limbeck::buffer<T> gradient(rows * classes), value(rows);
  const limbeck::signals<const T> student{view<const T, 2>(mine.data(), rows, classes)};
  const limbeck::signals<const T> teacher{view<const T, 2>(theirs.data(), rows, classes)};
  limbeck::sink<T, limbeck::cpu> out{value.all()};
  out.gradient.logits = view<T, 2>(gradient.data(), rows, classes);
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(2))};
  const double count = static_cast<double>(rows * classes), bytes = count * sizeof(T);
  limbeck_bench::measure(state, {.read = 2 * bytes, .updated = bytes, .elements = count}, on.threads,
                         [&] { Loss{.temperature = 2}(on, student, teacher, limbeck::targets<T>{}, out); });
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "classes", "threads"})->UseRealTime();
  for (const index threads : {1, 2}) {
    b->Args({8192, 1000, threads})->Args({512, 30522, threads})->Args({64, 128256, threads});
  }
  b->Args({32, 2, 1});
}
void class_sweep(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "classes", "threads"})->UseRealTime();
  for (const index classes : {2, 3, 4, 8, 10, 16, 24, 32, 48, 63, 64, 65, 100, 128, 200, 256, 512})
    b->Args({262144 / classes, classes, 1});
}

BENCHMARK_TEMPLATE(loss, limbeck::soft_target_kl, float)->Apply(shapes);
BENCHMARK_TEMPLATE(loss, limbeck::soft_target_reverse_kl, float)->Apply(shapes);
BENCHMARK_TEMPLATE(loss, limbeck::soft_target_kl, float)->Apply(class_sweep);
BENCHMARK_TEMPLATE(loss, limbeck::soft_target_kl, double)->Args({512, 1000, 1})->UseRealTime();

}  // namespace
