// The whole step of a distillation on packed batches of 4 to 46 tokens.
#include "training/distillation_step.hpp"

#include "measure.hpp"
#include "provider.hpp"

namespace {

std::vector<limbeck_bench::random_batch> three_batches() {
  std::vector<limbeck_bench::random_batch> batches;
  for (std::uint32_t b = 0; b < 3; ++b) {
    std::vector<limbeck::index> lengths;
    for (limbeck::index i = 0; i < 32; ++i) lengths.push_back(4 + (i * 29 + b * 7) % 43);
    batches.emplace_back(lengths, b);
  }
  return batches;
}

/// Arguments: threads; 1 where what the teacher says is stored.
void whole_step(benchmark::State& state) {
  const int threads = static_cast<int>(state.range(0));
  limbeck_bench::distillation_step<limbeck_bench::provider> step(three_batches(), threads, state.range(1) != 0);
  std::size_t b = 0;
  limbeck_bench::measure(state, step.of_a_step(), threads, [&] {
    benchmark::DoNotOptimize(step(b));
    b = (b + 1) % step.batches();
  });
  state.SetItemsProcessed(state.iterations() * 32);
}
BENCHMARK(whole_step)
    ->ArgNames({"threads", "stored"})
    ->ArgsProduct({{2}, {0, 1}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
