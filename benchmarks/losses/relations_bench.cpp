// What self-attention relations and the divergence of attention maps cost.
#include "limbeck/losses/relations.hpp"

#include <algorithm>
#include <vector>

#include "limbeck/losses/attention_kl.hpp"
#include "measure.hpp"

namespace {

using limbeck::index;
using limbeck::view;
using limbeck_bench::numbers;

// Numbers from -2 to 2.
limbeck::buffer<float> centred(index count, unsigned seed) {
  auto made = numbers<float>(count, seed);
  for (index i = 0; i < count; ++i) made.data()[i] -= 2;
  return made;
}

// Packed samples whose lengths lie evenly between two bounds.
std::vector<limbeck::sample_rows> packed_samples(index samples, index shortest, index longest) {
  std::vector<limbeck::sample_rows> rows;
  index begin = 0;
  for (index i = 0; i < samples; ++i) {
    const index length = shortest + (longest - shortest) * i / std::max<index>(samples - 1, 1);
    rows.push_back({begin, length, length});
    begin += length;
  }
  return rows;
}

// Queries, keys and values of one layer, 312 columns in the student, 768 in the teacher.
void minilm_relations(benchmark::State& state) {
  const index samples = state.range(0), width = 312, teacher_width = 768;
  const auto rows = packed_samples(samples, state.range(1), state.range(2));
  const index tokens = rows.back().begin + rows.back().length;
  const auto mine = centred(3 * tokens * width, 1);
  const auto theirs = centred(3 * tokens * teacher_width, 2);
  limbeck::buffer<float> gradient(3 * tokens * width), value(samples);
  const auto seen = [&](auto* data, index columns) {
    limbeck::signals<std::remove_pointer_t<decltype(data)>> s;
    s.rows = view<const limbeck::sample_rows, 1>(rows.data(), rows.size());
    for (auto* of : {&s.queries, &s.keys, &s.values}) {
      *of = std::remove_cvref_t<decltype(*of)>(1);
      (*of)[0] = std::remove_cvref_t<decltype((*of)[0])>(data, tokens, columns);
      data += tokens * columns;
    }
    return s;
  };
  const auto student = seen(mine.data(), width);
  const auto teacher = seen(theirs.data(), teacher_width);
  limbeck::sink<float, limbeck::cpu> out{view<float, 1>(value.data(), samples)};
  out.gradient = seen(gradient.data(), width);
  const limbeck::minilm_relations loss{limbeck::top_mapping{}, {.heads = state.range(3)}};
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(4))};
  const double count = 3 * static_cast<double>(tokens);
  double pairs = 0;
  for (const limbeck::sample_rows& r : rows) pairs += 3 * static_cast<double>(r.length * r.length);
  limbeck_bench::measure(state,
                         {.read = count * 4 * static_cast<double>(width + teacher_width),
                          .updated = count * 4 * static_cast<double>(width),
                          .flops = pairs * static_cast<double>(2 * (width + teacher_width) + 4 * width),
                          .elements = pairs * static_cast<double>(state.range(3))},
                         on.threads, [&] { loss(on, student, teacher, limbeck::targets<float>{}, out); });
}
BENCHMARK(minilm_relations)
    ->ArgNames({"samples", "shortest", "longest", "heads", "threads"})
    ->UseRealTime()
    ->Args({32, 10, 40, 12, 1})
    ->Args({32, 10, 40, 12, 2})
    ->Args({32, 10, 40, 24, 1})
    ->Args({32, 128, 128, 12, 1})
    ->Args({8, 512, 512, 12, 1});

// One layer of maps [samples, heads, length, length], packed.
void attention_kl(benchmark::State& state) {
  const index samples = state.range(0), heads = state.range(1), length = state.range(2);
  const auto rows = packed_samples(samples, length, length);
  const index entries = samples * heads * length * length;
  const auto mine = centred(entries, 1), theirs = centred(entries, 2);
  limbeck::buffer<float> gradient(entries), value(samples);
  std::vector<limbeck::block> blocks;
  for (index i = 0; i < samples; ++i) blocks.push_back({i * heads * length * length, length});
  const auto seen = [&](auto* data) {
    limbeck::signals<std::remove_pointer_t<decltype(data)>> s;
    s.rows = view<const limbeck::sample_rows, 1>(rows.data(), samples);
    s.scores = std::remove_cvref_t<decltype(s.scores)>(1);
    s.scores[0] = {data, heads, view<const limbeck::block, 1>(blocks.data(), samples)};
    return s;
  };
  const auto student = seen(mine.data()), teacher = seen(theirs.data());
  limbeck::sink<float, limbeck::cpu> out{view<float, 1>(value.data(), samples)};
  out.gradient = seen(gradient.data());
  const limbeck::cpu_executor<> on{static_cast<int>(state.range(3))};
  const double count = static_cast<double>(entries);
  limbeck_bench::measure(state, {.read = count * 8, .updated = count * 4, .elements = count}, on.threads,
                         [&] { limbeck::attention_kl{}(on, student, teacher, limbeck::targets<float>{}, out); });
}
BENCHMARK(attention_kl)
    ->ArgNames({"samples", "heads", "length", "threads"})
    ->UseRealTime()
    ->Args({32, 12, 25, 1})
    ->Args({32, 12, 128, 1})
    ->Args({32, 12, 128, 2})
    ->Args({8, 12, 512, 1});

}  // namespace
