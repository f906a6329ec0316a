// AdamW over parameters that lie one behind the other, the norm that clipping needs, and both.
#include "limbeck/training/adamw.hpp"

#include "limbeck/backend/eigen.hpp"
#include "limbeck/training/gradient_norm.hpp"
#include "measure.hpp"

namespace {

using limbeck::index;
using limbeck_bench::floats, limbeck_bench::measure;

struct update_data {
  limbeck::cpu_executor<> on;
  limbeck::parameter_table table;
  limbeck::buffer<float> gradient, weights;
  limbeck::adamw<float> optimiser;

  explicit update_data(const benchmark::State& state)
      : on{static_cast<int>(state.range(1))},
        table(table_of(state.range(0))),
        gradient(limbeck_bench::numbers<float>(table.size(), 1)),
        weights(limbeck_bench::numbers<float>(table.size(), 2)),
        optimiser(table) {}
  void update(double scale) { optimiser.update(on, 1e-5, scale, limbeck::read_only(gradient.all()), weights.all()); }
  [[nodiscard]] double norm() const { return limbeck::norm_of(on, limbeck::read_only(gradient.all())); }
  [[nodiscard]] double bytes() const { return floats(table.size()); }

 private:
  static limbeck::parameter_table table_of(index count) {
    limbeck::parameter_table made;
    made.declare("all", count);
    return made;
  }
};

/// Weights and both moments are updated.
void adamw(benchmark::State& state) {
  update_data d(state);
  measure(state, {.read = d.bytes(), .updated = 3 * d.bytes()}, d.on.threads, [&] { d.update(1); });
}

void gradient_norm(benchmark::State& state) {
  const update_data d(state);
  measure(state, {.read = d.bytes()}, d.on.threads, [&] { benchmark::DoNotOptimize(d.norm()); });
}

/// The gradient is read once for its norm, and once more.
void clip_and_adamw(benchmark::State& state) {
  update_data d(state);
  measure(state, {.read = 2 * d.bytes(), .updated = 3 * d.bytes()}, d.on.threads,
          [&] { d.update(limbeck::clip_scale(d.norm(), 1)); });
}

/// The parameters of MiniLM-L6.
void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"parameters", "threads"})->UseRealTime();
  for (const index threads : {1, 2}) b->Args({22713216, threads});
}
BENCHMARK(adamw)->Apply(shapes);
BENCHMARK(gradient_norm)->Apply(shapes);
BENCHMARK(clip_and_adamw)->Apply(shapes);

}  // namespace
