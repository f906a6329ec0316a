// Cost against size: each benchmark changes one size and says, as `expected_slope`, what power of it the time should
// grow with. slopes.py fits what it does grow with.
#include <vector>

#include "limbeck/limbeck.hpp"
#include "limbeck/training/adamw.hpp"
#include "measure.hpp"
#include "provider.hpp"
#include "training/random_batch.hpp"

namespace {

using limbeck::bert_classifier, limbeck::buffer, limbeck::cpu, limbeck::index, limbeck::read_only, limbeck::view;
using limbeck_bench::matrix, limbeck_bench::provider;

constexpr limbeck::cpu_executor<provider> on{1};

template <class Op>
void run(benchmark::State& state, double expected_slope, Op&& op) {
  for (auto _ : state) {
    op();
    benchmark::ClobberMemory();
  }
  state.counters["expected_slope"] = expected_slope;
}

struct pass_sizes {
  index samples = 8, length = 32, layers = 2, width = 192, classes = 2;
};

/// A student's forward pass, cross-entropy and the way back. States are read too: else the last layer costs less.
class training_pass {
 public:
  explicit training_pass(const pass_sizes& s)
      : model_(limbeck::make_bert_classifier(
            {.vocabulary = 30522, .layers = s.layers, .width = s.width, .heads = s.width / 32, .inner = 4 * s.width},
            s.classes)),
        batch_(std::vector<index>(static_cast<std::size_t>(s.samples), s.length), 1) {
    limbeck::initialise(model_.parameters(), 1, weights_.all());
  }
  void operator()() {
    const auto seen = model_.forward(on, read_only(weights_.all()), batch_.tokens(),
                                     limbeck::signal::logits | limbeck::signal::hidden, {.keeps = true}, pass_);
    limbeck::cross_entropy{}(on, seen, limbeck::signals<const float>{}, batch_.given(),
                             limbeck::sink<float, cpu>{.gradient = pass_.gradient});
    model_.backward(on, read_only(weights_.all()), pass_, gradient_.all());
  }

 private:
  bert_classifier model_;
  limbeck_bench::random_batch batch_;
  buffer<float> weights_{model_.parameters().size()}, gradient_{weights_.count()};
  bert_classifier::pass<float> pass_;
};

void run_pass(benchmark::State& state, double expected_slope, const pass_sizes& sizes) {
  training_pass pass(sizes);
  run(state, expected_slope, pass);
}

void pass_against_batch(benchmark::State& state) { run_pass(state, 1, {.samples = state.range(0)}); }
BENCHMARK(pass_against_batch)->ArgName("samples")->RangeMultiplier(2)->Range(4, 32);

void pass_against_layers(benchmark::State& state) { run_pass(state, 1, {.layers = state.range(0)}); }
BENCHMARK(pass_against_layers)->ArgName("layers")->RangeMultiplier(2)->Range(2, 8);

/// Products of matrices that grow on two sides. Attention, norms and activations grow on one: the slope comes from
/// below.
void pass_against_width(benchmark::State& state) { run_pass(state, 2, {.width = state.range(0)}); }
BENCHMARK(pass_against_width)->ArgName("width")->RangeMultiplier(2)->Range(192, 768);

/// One sample of so many tokens, short enough for the products with weights to outweigh attention.
void pass_against_tokens(benchmark::State& state) {
  run_pass(state, 1, {.samples = 1, .length = state.range(0), .width = 384});
}
BENCHMARK(pass_against_tokens)->ArgName("length")->RangeMultiplier(2)->Range(32, 256);

void product_against_width(benchmark::State& state) {
  const matrix x(256, state.range(0)), weight(x.columns, x.columns, 2);
  matrix y(x.rows, x.columns);
  run(state, 2, [&] { limbeck::ops::matmul(on, x.seen(), weight.seen(), y.all()); });
}
BENCHMARK(product_against_width)->ArgName("width")->RangeMultiplier(2)->Range(128, 1024);

/// Attention of one sample, forward and backward.
void attention_against_length(benchmark::State& state) {
  const index length = state.range(0), heads = 4, width = 32 * heads;
  const limbeck::sample_rows row{0, length, length};
  const view<const limbeck::sample_rows, 1> rows(&row, 1);
  const limbeck::ops::attention_shape shape{.heads = heads, .longest = length};
  const matrix q(length, width, 1), k(length, width, 2), v(length, width, 3), dcontext(length, width, 4);
  matrix context(length, width), log_sum(length, heads), dq(length, width), dk(length, width), dv(length, width);
  run(state, 2, [&] {
    limbeck::ops::attention(on, shape, rows, q.seen(), k.seen(), v.seen(), context.all(), log_sum.all(), {}, {});
    limbeck::ops::attention_backward(on, shape, rows, q.seen(), k.seen(), v.seen(), log_sum.seen(), dcontext.seen(), {},
                                     {}, dq.all(), dk.all(), dv.all());
  });
}
BENCHMARK(attention_against_length)->ArgName("length")->RangeMultiplier(2)->Range(128, 1024);

/// The time of as many rows as are told.
void soft_target(benchmark::State& state, index rows, index classes) {
  const matrix mine(rows, classes, 1), theirs(rows, classes, 2);
  matrix gradient(rows, classes);
  const limbeck::signals<const float> student{.logits = mine.seen()}, teacher{.logits = theirs.seen()};
  limbeck::sink<float, cpu> out{};
  out.gradient.logits = gradient.all();
  run(state, 1,
      [&] { limbeck::soft_target_kl{.temperature = 2}(on, student, teacher, limbeck::targets<float>{}, out); });
}
void soft_target_against_classes(benchmark::State& state) { soft_target(state, 64, state.range(0)); }
BENCHMARK(soft_target_against_classes)->ArgName("classes")->RangeMultiplier(4)->Range(64, 65536);

void soft_target_against_rows(benchmark::State& state) { soft_target(state, state.range(0), 3); }
BENCHMARK(soft_target_against_rows)->ArgName("rows")->RangeMultiplier(4)->Range(256, 65536);

void adamw_against_parameters(benchmark::State& state) {
  limbeck::parameter_table table;
  table.declare("all", state.range(0));
  limbeck::adamw<float> optimiser(table);
  const matrix gradient(1, table.size());
  matrix weights(1, table.size());
  run(state, 1, [&] { optimiser.update(on, 1e-5, 1, gradient.row(), weights.row()); });
}
BENCHMARK(adamw_against_parameters)->ArgName("parameters")->RangeMultiplier(4)->Range(1 << 16, 1 << 24);

}  // namespace
