// What the squared difference of attention maps costs.
#include "limbeck/losses/attention_mse.hpp"

#include <vector>

#include "limbeck/core/half.hpp"
#include "measure.hpp"

namespace {

using limbeck::index;
using limbeck::mask_mode;
using limbeck::view;
using limbeck_bench::numbers;

// One layer of maps [samples, heads, length, length], packed. U: what the teacher stores.
template <class U, mask_mode Mask>
void attention_mse(benchmark::State& state) {
  const index samples = state.range(0), heads = state.range(1), length = state.range(2);
  const index entries = samples * heads * length * length;
  const auto mine = numbers<float>(entries, 1);
  const auto theirs = numbers<U>(entries, 2);
  limbeck::buffer<float> gradient(entries), value(samples);
  std::vector<limbeck::sample_rows> rows;
  std::vector<limbeck::block> blocks;
  for (index i = 0; i < samples; ++i) {
    rows.push_back({i * length, length, length});
    blocks.push_back({i * heads * length * length, length});
  }
  const auto seen = [&](auto* data) {
    limbeck::signals<std::remove_pointer_t<decltype(data)>> s;
    s.rows = view<const limbeck::sample_rows, 1>(rows.data(), samples);
    s.scores = std::remove_cvref_t<decltype(s.scores)>(1);
    s.scores[0] = {data, heads, view<const limbeck::block, 1>(blocks.data(), samples)};
    return s;
  };
  const auto student = seen(mine.data());
  const auto teacher = seen(theirs.data());
  limbeck::sink<float, limbeck::cpu> out{view<float, 1>(value.data(), samples)};
  out.gradient = seen(gradient.data());
  const limbeck::attention_mse loss{limbeck::uniform_mapping{}, {.mask = Mask}};
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(3))};
  const double count = static_cast<double>(entries);
  limbeck_bench::measure(state, {.read = count * (4 + sizeof(U)), .updated = count * 4, .elements = count}, on.threads,
                         [&] { loss(on, student, teacher, limbeck::targets<float>{}, out); });
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"samples", "heads", "length", "threads"})->UseRealTime();
  for (const index threads : {1, 2}) b->Args({32, 12, 128, threads})->Args({8, 12, 512, threads});
  b->Args({256, 12, 20, 1});
}
BENCHMARK_TEMPLATE(attention_mse, float, mask_mode::exact)->Apply(shapes);
BENCHMARK_TEMPLATE(attention_mse, float, mask_mode::tinybert_zeroing)->Apply(shapes);
BENCHMARK_TEMPLATE(attention_mse, limbeck::bfloat16, mask_mode::exact)->Apply(shapes);

}  // namespace
