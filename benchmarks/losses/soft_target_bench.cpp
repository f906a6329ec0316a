// What the divergences of class scores cost: time a logit, bytes moved a second, and the same traffic with no
// arithmetic.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "limbeck/losses/soft_target.hpp"

namespace {

using limbeck::cpu;
using limbeck::index;
using limbeck::view;

// Student, teacher, gradient of [rows, classes], a value a row.
template <class T>
struct case_data {
  index rows, classes;
  std::vector<T> student, teacher, gradient;
  std::vector<T> value;

  case_data(index r, index c)
      : rows(r), classes(c), student(size()), teacher(size()), gradient(size()), value(static_cast<std::size_t>(r)) {
    unsigned state = 1;
    const auto next = [&] { return static_cast<T>((state = state * 1664525U + 1013904223U) >> 8) / T(4194304); };
    for (T& x : student) x = next();
    for (T& x : teacher) x = next();
  }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(rows * classes); }
};

void report(benchmark::State& state, index logits, index bytes) {
  state.counters["per_logit"] = benchmark::Counter(  // printed as a time
      static_cast<double>(logits), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * bytes);
}

template <class Loss, class T>
void loss(benchmark::State& state) {
  case_data<T> data(state.range(0), state.range(1));
  const limbeck::signals<const T> student{view<const T, 2>(data.student.data(), data.rows, data.classes)};
  const limbeck::signals<const T> teacher{view<const T, 2>(data.teacher.data(), data.rows, data.classes)};
  limbeck::sink<T, cpu> out{view<T, 1>(data.value.data(), data.rows)};
  out.gradient.logits = view<T, 2>(data.gradient.data(), data.rows, data.classes);
  const Loss divergence{.temperature = 2};
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(2))};
  for (auto _ : state) {
    divergence(on, student, teacher, limbeck::targets<T>{}, out);
    benchmark::ClobberMemory();
  }
  const index logits = data.rows * data.classes;
  report(state, logits, 4 * logits * static_cast<index>(sizeof(T)));  // student, teacher, gradient read and written
}

struct add_difference {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const T* s, const T* t, T* g, index count) {
    using V = limbeck::simd_of_bytes<T, Bytes>;
    for (index i = 0; i + V::width <= count; i += V::width)
      limbeck::store(
          g + i, limbeck::load<V>(static_cast<const T*>(g + i)) + limbeck::load<V>(s + i) - limbeck::load<V>(t + i));
  }
};

/// gradient += student - teacher: the traffic, without the arithmetic.
void traffic(benchmark::State& state) {
  case_data<float> data(state.range(0), state.range(1));
  const index logits = data.rows * data.classes;
  for (auto _ : state) {
    limbeck::parallel_for(static_cast<int>(state.range(2)), logits, [&](index begin, index end) {
      limbeck::simd_dispatch<add_difference>(data.student.data() + begin, data.teacher.data() + begin,
                                             data.gradient.data() + begin, end - begin);
    });
    benchmark::ClobberMemory();
  }
  report(state, logits, 16 * logits);
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

BENCHMARK(traffic)->Apply(shapes);
BENCHMARK_TEMPLATE(loss, limbeck::soft_target_kl, float)->Apply(shapes);
BENCHMARK_TEMPLATE(loss, limbeck::soft_target_reverse_kl, float)->Apply(shapes);
BENCHMARK_TEMPLATE(loss, limbeck::soft_target_kl, float)->Apply(class_sweep);
BENCHMARK_TEMPLATE(loss, limbeck::soft_target_kl, double)->Args({512, 1000, 1})->UseRealTime();

}  // namespace
