// Attention, forward and backward: streaming, and with maps that a loss reads. Heads are 32 wide.
#include "limbeck/ops/attention.hpp"

#include <vector>

#include "measure.hpp"

namespace {

using limbeck::index, limbeck::view;
using limbeck_bench::matrix, limbeck_bench::measure;

/// A packed batch of samples of one length, and all that the passes read and write.
struct attention_data {
  index samples, heads, length;
  limbeck::cpu_executor<> on;
  std::vector<limbeck::sample_rows> rows{};
  std::vector<limbeck::block> blocks{};
  matrix q, k, v, context, log_sum, dcontext, dq, dk, dv, maps, dmaps;

  attention_data(const benchmark::State& state, bool with_maps)
      : attention_data(state.range(0), state.range(1), state.range(2), static_cast<int>(state.range(3)), with_maps) {}
  attention_data(index n, index h, index l, int threads, bool with_maps)
      : samples(n),
        heads(h),
        length(l),
        on{threads},
        q(states(1)),
        k(states(2)),
        v(states(3)),
        context(states(4)),
        log_sum(n * l, h),
        dcontext(states(5)),
        dq(states(6)),
        dk(states(7)),
        dv(states(8)),
        maps(with_maps ? n * h * l : 0, l),
        dmaps(maps.rows, l, 9) {
    for (index i = 0; i < samples; ++i) {
      rows.push_back({i * length, length, length});
      blocks.push_back({i * heads * length * length, length});
    }
    forward();  // the backward pass reads log_sum
  }
  void forward() {
    limbeck::ops::attention(on, shape(), view<const limbeck::sample_rows, 1>(rows.data(), samples), q.seen(), k.seen(),
                            v.seen(), context.all(), log_sum.all(), {}, blocks_of(maps.all()));
  }
  void backward() {
    limbeck::ops::attention_backward(on, shape(), view<const limbeck::sample_rows, 1>(rows.data(), samples), q.seen(),
                                     k.seen(), v.seen(), log_sum.seen(), dcontext.seen(), {}, blocks_of(dmaps.seen()),
                                     dq.all(), dk.all(), dv.all());
  }
  /// Of `products` products of [length, 32] and [32, length], or as large, for each head.
  [[nodiscard]] double flops(double products) const {
    return products * 2 * static_cast<double>(samples * heads * length * length * head_width);
  }

 private:
  static constexpr index head_width = 32;

  [[nodiscard]] matrix states(unsigned seed) const { return {samples * length, heads * head_width, seed}; }
  [[nodiscard]] limbeck::ops::attention_shape shape() const {
    return {.heads = heads, .dropout = 0.1, .random = {.seed = 7}, .longest = length};
  }
  template <class T>
  [[nodiscard]] limbeck::square_blocks<T> blocks_of(view<T, 2> of) const {
    if (of.extent(0) == 0) return {};
    return {of.data(), heads, view<const limbeck::block, 1>(blocks.data(), samples)};
  }
};

/// The maps written, where some are kept, are the probabilities.
void attention(benchmark::State& state, bool with_maps) {
  attention_data d(state, with_maps);
  measure(
      state,
      {.read = 3 * d.q.bytes(), .written = d.context.bytes() + d.log_sum.bytes() + d.maps.bytes(), .flops = d.flops(2)},
      d.on.threads, [&] { d.forward(); });
}

/// Of the five products one makes the scores again.
void attention_backward(benchmark::State& state, bool with_maps) {
  attention_data d(state, with_maps);
  measure(
      state,
      {.read = 4 * d.q.bytes() + d.log_sum.bytes() + d.dmaps.bytes(), .written = 3 * d.dq.bytes(), .flops = d.flops(5)},
      d.on.threads, [&] { d.backward(); });
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"samples", "heads", "length", "threads"})->UseRealTime();
  for (const index threads : {1, 2}) b->Args({32, 12, 26, threads})->Args({32, 12, 128, threads});
  b->Args({4, 12, 512, 2});
}
BENCHMARK_CAPTURE(attention, streaming, false)->Apply(shapes);
BENCHMARK_CAPTURE(attention, with_maps, true)->Apply(shapes);
BENCHMARK_CAPTURE(attention_backward, streaming, false)->Apply(shapes);
BENCHMARK_CAPTURE(attention_backward, with_maps, true)->Apply(shapes);

}  // namespace
