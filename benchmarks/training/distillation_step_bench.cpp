// The whole step of a distillation on packed batches of 4 to 46 tokens: samples and useful FLOP a second.
#include "training/distillation_step.hpp"

#include <benchmark/benchmark.h>

#include "limbeck/backend/onednn.hpp"

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
  limbeck_bench::distillation_step<limbeck::onednn_provider> step(three_batches(), static_cast<int>(state.range(0)),
                                                                  state.range(1) != 0);
  std::size_t b = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(step(b));
    b = (b + 1) % step.batches();
  }
  state.SetItemsProcessed(state.iterations() * 32);
  state.counters["useful_flops"] =
      benchmark::Counter(step.flops() / 3, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}
BENCHMARK(whole_step)
    ->ArgNames({"threads", "stored"})
    ->ArgsProduct({{2}, {0, 1}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
