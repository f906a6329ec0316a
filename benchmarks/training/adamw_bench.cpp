// AdamW over parameters that lie one behind the other, the norm that clipping needs, and both.
#include "limbeck/training/adamw.hpp"

#include <cstdint>
#include <vector>

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

  explicit update_data(const benchmark::State& state, index words = 0)
      : on{static_cast<int>(state.range(1))},
        table(table_of(state.range(0), words)),
        gradient(limbeck_bench::numbers<float>(table.size(), 1)),
        weights(limbeck_bench::numbers<float>(table.size(), 2)),
        optimiser(table) {}
  void update(double scale) { optimiser.update(on, 1e-5, scale, limbeck::read_only(gradient.all()), weights.all()); }
  [[nodiscard]] double norm() const { return limbeck::norm_of(on, limbeck::read_only(gradient.all())); }
  [[nodiscard]] double bytes() const { return floats(table.size()); }

  static constexpr index width = 384;

 private:
  static limbeck::parameter_table table_of(index count, index words) {
    limbeck::parameter_table made;
    if (words > 0) made.declare("words", words, width);
    made.declare("others", count - words * width);
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

/// The sweeps of a step over words most of which it does not have: clearing, norm and update. One word in a hundred has
/// a gradient, and no other ever had one.
void sweeps_of_few_words(benchmark::State& state) {
  constexpr index words = 30522, width = update_data::width, few = words / 100;
  update_data d(state, words);
  limbeck::touched_rows touched(limbeck::slot{0, words, width});
  std::vector<std::int32_t> ids;
  for (index i = 0; i < few; ++i) ids.push_back(static_cast<std::int32_t>(100 * i));
  const double others = d.bytes() - floats(words * width), gradients = others + floats(few * width);
  measure(state, {.read = 2 * gradients, .written = gradients, .updated = 2 * gradients + d.bytes()}, d.on.threads,
          [&] {
            touched.clear(d.on, d.gradient.all());
            touched.mark(limbeck::view<const std::int32_t, 1>(ids.data(), ids.size()));
            const double norm = limbeck::norm_of(d.on, limbeck::read_only(d.gradient.all()), touched);
            d.optimiser.update(d.on, 1e-5, limbeck::clip_scale(norm, 1), limbeck::read_only(d.gradient.all()),
                               d.weights.all(), touched);
          });
}

/// The parameters of MiniLM-L6.
void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"parameters", "threads"})->UseRealTime();
  for (const index threads : {1, 2}) b->Args({22713216, threads});
}
BENCHMARK(adamw)->Apply(shapes);
BENCHMARK(gradient_norm)->Apply(shapes);
BENCHMARK(clip_and_adamw)->Apply(shapes);
BENCHMARK(sweeps_of_few_words)->Apply(shapes);

}  // namespace
