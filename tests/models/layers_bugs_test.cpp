// Known bugs of other projects' layers, each beside the naive form that has it.
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "catch.hpp"
#include "limbeck/core/half.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/mappings.hpp"
#include "limbeck/ops/embedding.hpp"
#include "limbeck/ops/layer_norm.hpp"
#include "limbeck/ops/linear.hpp"
#include "mappings/pairs.hpp"
#include "models/trial.hpp"

namespace limbeck {
namespace {

using limbeck_test::in_order, limbeck_test::largest_gap, limbeck_test::matrix, limbeck_test::owned_batch,
    limbeck_test::pairs, limbeck_test::same_bits, limbeck_test::trial;

TEST_CASE("bug_14b: layer norm of float16 numbers whose squares float16 cannot hold gives +1 and -1", "[bugs]") {
  const index width = 768;
  std::vector<float16> stored;
  for (index c = 0; c < width; ++c) stored.push_back(float16(c < width / 2 ? 300.0F : -300.0F));
  matrix<float> x(1, width), gain(1, width), bias(1, width), y(1, width);
  gain.fill(1);
  for (index c = 0; c < width; ++c) x(0, c) = stored[static_cast<std::size_t>(c)];
  for (const int threads : {1, 2}) {
    ops::layer_norm(cpu_executor<>{threads}, 1e-12, x.seen(), gain.seen_flat(), bias.seen_flat(), {}, {}, y.all());
    for (index c = 0; c < width; ++c) CHECK(float16(y(0, c)) == (c < width / 2 ? 1.0F : -1.0F));
  }

  float16 sum(0.0F);  // naive: in what is stored
  for (const float16 v : stored) sum = float16(sum + float16(v * v));
  CHECK(std::isinf(static_cast<float>(sum)));
  CHECK(float16(300.0F / std::sqrt(sum / 768.0F)) == 0.0F);
}

/// Attention over `rows` and what flows back, from equal numbers at each token.
struct attended {
  matrix<> context, dqkv;
};
attended attend(const std::vector<sample_rows>& rows) {
  const index tokens = 9, width = 4;
  const matrix<> qkv(tokens, 3 * width, 1), dcontext(tokens, width, 2);
  matrix<> log_sum(tokens, 1);
  attended out{matrix<>(tokens, width), matrix<>(tokens, 3 * width)};
  const view<const sample_rows, 1> samples(rows.data(), rows.size());
  const auto third = [&](const auto& of, index which) { return column_block(of, which * width, width); };
  const cpu_executor<> on;
  const ops::attention_shape shape{.heads = 1};
  ops::attention(on, shape, samples, third(qkv.seen(), 0), third(qkv.seen(), 1), third(qkv.seen(), 2),
                 out.context.all(), log_sum.all(), square_blocks<double>{}, square_blocks<double>{});
  ops::attention_backward(on, shape, samples, third(qkv.seen(), 0), third(qkv.seen(), 1), third(qkv.seen(), 2),
                          log_sum.seen(), dcontext.seen(), square_blocks<const double>{}, square_blocks<const double>{},
                          third(out.dqkv.all(), 0), third(out.dqkv.all(), 1), third(out.dqkv.all(), 2));
  return out;
}

TEST_CASE("bug_16: a query row without a key gives 0, passes nothing back and changes no other row", "[bugs]") {
  const attended without = attend({{0, 4, 4}, {6, 3, 3}}), with = attend({{0, 4, 4}, {4, 2, 0}, {6, 3, 3}});
  CHECK(same_bits(without.context.seen(), with.context.seen()));  // rows 4 and 5 hold 0 in both
  CHECK(same_bits(without.dqkv.seen(), with.dqkv.seen()));
  CHECK(with.context(4, 0) == 0);
  CHECK(with.dqkv(5, 3) == 0);

  // the bug's own case, row by row: one head, four queries, every key of row 3 at minus infinity
  const double infinity = std::numeric_limits<double>::infinity();
  matrix<> p(4, 4, 3);
  std::fill_n(&p(3, 0), 4, -infinity);
  const matrix<> scores = p;
  using pair = simd_of_bytes<double, 16>;
  for (index r = 0; r < 4; ++r) ops::detail::softmax_row<pair>(&p(r, 0), 4, 4);
  for (index c = 0; c < 4; ++c) CHECK(p(3, c) == 0);
  matrix<> dp(4, 4, 4);
  for (index r = 0; r < 4; ++r) ops::detail::softmax_row_backward<pair>(&p(r, 0), &dp(r, 0), 4);
  for (index c = 0; c < 4; ++c) CHECK(dp(3, c) == 0);
  matrix<> again = scores;
  ops::detail::softmax_row_again<pair>(&again(3, 0), 4, 4, -infinity);
  for (index c = 0; c < 4; ++c) CHECK(again(3, c) == 0);

  double sum = 0, top = -infinity;  // naive: 0 / 0, and 0 * NaN in every weight's gradient
  for (index c = 0; c < 4; ++c) top = std::max(top, scores(3, c));
  for (index c = 0; c < 4; ++c) sum += std::exp(scores(3, c) - top);
  CHECK(std::isnan(0.0 * (std::exp(scores(3, 0) - top) / sum)));
}

TEST_CASE("bug_16, a whole model: a sample without a key leaves a model's other outputs and gradients as they are",
          "[bugs]") {
  const transformer_sizes sizes{.vocabulary = 20, .positions = 8, .layers = 2, .width = 6, .heads = 2, .inner = 7};
  trial t(make_bert_classifier(sizes, 2));
  const owned_batch batch{.ids = {1, 2, 3, 4, 5}, .rows = {{0, 3, 3}, {3, 2, 0}}};
  (void)t.differentiate(batch, limbeck_test::every_signal);
  for (index i = 0; i < t.gradient.count(); ++i)
    if (!std::isfinite(t.gradient.data()[i])) FAIL("not finite: " << i);
  const auto with = t.forward(batch, signal::logits, inference);
  const std::array<double, 2> first{with.logits(0, 0), with.logits(0, 1)};
  const auto alone = t.forward({.ids = {1, 2, 3}, .rows = {{0, 3, 3}}}, signal::logits, inference);
  CHECK(alone.logits(0, 0) == Approx(first[0]).epsilon(1e-13));
  CHECK(alone.logits(0, 1) == Approx(first[1]).epsilon(1e-13));
}

/// The ratio of the depths cut to an integer, or layer 0 of a list that starts with the embedding output.
template <std::size_t N>
constexpr std::array<layer_pair, N> naive_pairs(std::size_t teacher, bool counts_embedding) {
  std::array<layer_pair, N> out{};
  const std::size_t every = teacher / N > 0 ? teacher / N : 1;
  for (std::size_t m = 0; m < N; ++m) out[m] = {m, counts_embedding ? m * every : (m + 1) * every - 1};
  return out;
}

TEST_CASE("bug_18a: uniform 12 to 4 pairs layers 2, 5, 8 and 11", "[bugs]") {
  static_assert(pairs<4>(uniform_mapping{}, {4, 12}) == in_order(2, 5, 8, 11));
  static_assert(naive_pairs<4>(12, true) == in_order(0, 3, 6, 9), "one off: the last layer is never used");
  SUCCEED();
}
TEST_CASE("bug_18b: uniform 12 to 5 pairs layers 2, 4, 7, 9 and 11", "[bugs]") {
  static_assert(pairs<5>(uniform_mapping{}, {5, 12}) == in_order(2, 4, 7, 9, 11));
  static_assert(naive_pairs<5>(12, false) == in_order(1, 3, 5, 7, 9), "the last layer is never used");
  SUCCEED();
}
TEST_CASE("bug_18c: uniform 4 to 6, a deeper student, pairs layers 0, 1, 1, 2, 3 and 3", "[bugs]") {
  static_assert(pairs<6>(uniform_mapping{}, {6, 4}) == in_order(0, 1, 1, 2, 3, 3));
  static_assert(naive_pairs<6>(4, false) == in_order(0, 1, 2, 3, 4, 5), "there is no layer 4");
  SUCCEED();
}
/// Reads a list of the embedding output and `depth` layers as scripts do: one off, and -1 is the last.
constexpr std::ptrdiff_t naive_layer(std::ptrdiff_t at, std::ptrdiff_t depth) {
  return (at < 0 ? at + depth + 1 : at) - 1;
}

TEST_CASE("bug_18d: an explicit pair with teacher layer 12 of 12, or -1, is refused with layer and depth", "[bugs]") {
  const auto visit = [](layer_pair) {};
  CHECK_THROWS_WITH((explicit_mapping{{{0, 12}}}(depths{1, 12}, visit)),
                    "explicit_mapping: teacher layer 12 of 12 layers (they count from 0)");
  CHECK_THROWS_WITH((explicit_mapping{{{0, static_cast<std::size_t>(-1)}}}(depths{1, 12}, visit)),
                    Catch::Contains("of 12 layers") && Catch::Contains(std::to_string(static_cast<std::size_t>(-1))));
  static_assert(naive_layer(12, 12) == 11 && naive_layer(-1, 12) == 11, "a layer is found, and nothing is said");
}
TEST_CASE("bug_18e: an explicit mapping without one of the student's layers is refused, naming it", "[bugs]") {
  const auto visit = [](layer_pair) {};
  CHECK_THROWS_WITH((explicit_mapping{{{0, 2}, {2, 11}}}(depths{3, 12}, visit)),
                    "explicit_mapping: student layer 1 of 3 has no teacher layer");
  std::vector<bool> learns(3, false);  // naive: layer 1 has no loss, and nobody is told
  for (const layer_pair& pair : {layer_pair{0, 2}, layer_pair{2, 11}}) learns[pair.student] = true;
  CHECK(learns == std::vector<bool>{true, false, true});
}

// bug 21: the mode is an argument of the pass.
const transformer_sizes small{.vocabulary = 20, .positions = 8, .layers = 2, .width = 8, .heads = 2, .inner = 12};
const owned_batch some_tokens{.ids = {1, 2, 3, 4, 5, 6, 7}, .rows = {{0, 4, 4}, {4, 3, 3}}};
pass_mode training(std::uint64_t step) {
  return {.keeps = true, .dropout = 0.5, .attention_dropout = 0.5, .seed = 1, .step = step};
}
template <class Model>
matrix<> logits_of(trial<Model>& t, const pass_mode& mode) {
  const auto seen = t.forward(some_tokens, signal::logits, mode);
  matrix<> out(seen.logits.extent(0), seen.logits.extent(1));
  ops::copy(t.on, seen.logits, out.all());
  return out;
}
/// Naive: a switch inside of the model, that an evaluation forgets to turn back, and that teacher and student share.
struct switched_model {
  bool training = true;
  std::uint32_t calls = 0;
  double operator()() { return training ? unit_interval(random_stream{1, calls++, 0}.at(0).word[0]) : 0.5; }
};

TEST_CASE("bug_21a: a teacher gives equal bits twice on one batch in the middle of training", "[bugs]") {
  trial student(make_bert_classifier(small, 3)), teacher(make_bert_classifier(small, 3));
  const matrix<> before = logits_of(teacher, inference);
  (void)student.differentiate(some_tokens, signal::logits, training(1));
  CHECK(same_bits(logits_of(teacher, inference).seen(), before.seen()));

  switched_model naive;
  CHECK(naive() != naive());
}
TEST_CASE("bug_21b: a teacher that is the student's own model is without dropout, the student with it", "[bugs]") {
  trial both(make_bert_classifier(small, 3));
  bert_classifier::pass<double> teacher_pass;
  const auto shown = [&] {
    const auto seen = both.model.forward(both.on, both.weights.seen_flat(), some_tokens.seen(), signal::logits,
                                         inference, teacher_pass);
    matrix<> out(2, 3);
    ops::copy(both.on, seen.logits, out.all());
    return out;
  };
  const matrix<> first = logits_of(both, training(1)), teacher = shown();
  const matrix<> second = logits_of(both, training(2)), teacher_again = shown();
  CHECK(same_bits(teacher.seen(), teacher_again.seen()));
  CHECK_FALSE(same_bits(first.seen(), second.seen()));
  CHECK_FALSE(same_bits(first.seen(), teacher.seen()));

  switched_model naive;
  switched_model &student = naive, &same = naive;
  same.training = false;
  CHECK(student() == student());  // the student lost its dropout
}
TEST_CASE("bug_21c: training passes still differ from step to step after an evaluation", "[bugs]") {
  trial t(make_bert_classifier(small, 3));
  const matrix<> before = logits_of(t, training(1));
  (void)logits_of(t, inference);
  CHECK_FALSE(same_bits(before.seen(), logits_of(t, training(2)).seen()));
  CHECK(same_bits(before.seen(), logits_of(t, training(1)).seen()));

  switched_model naive;
  naive.training = false;  // evaluates, and never turns back
  CHECK(naive() == naive());
}

// bug 23: a student was compared with its teacher's opinion of another token. huggingface/trl#6457
TEST_CASE("bug_23b: a causal student that is its teacher has a loss of exactly 0 at every token", "[bugs]") {
  using language_model = trial<gpt2_language_model, float>;
  language_model student(make_gpt2_language_model(small)), teacher(make_gpt2_language_model(small));
  matrix<float> gradient(7, 20);
  const matrix<float> nothing(7, 20);
  const auto loss = [&](view<const float, 2> seen, view<const float, 2> shown) {
    matrix<float> value(1, seen.extent(0));
    gradient.fill(0);
    sink<float, cpu> out{.value = value.flat()};
    out.gradient.logits = row_block(gradient.all(), 0, seen.extent(0));
    soft_target_kl{.temperature = 2}(student.on, signals<const float>{seen}, signals<const float>{shown},
                                     targets<float>{}, out);
    return std::accumulate(value.data(), value.data() + value.count(), 0.0F);
  };
  const auto shown = teacher.forward(some_tokens, signal::logits, inference);
  for (const pass_mode& mode : {inference, pass_mode{.keeps = true}}) {
    const auto seen = student.forward(some_tokens, signal::logits, mode);
    CHECK(loss(seen.logits, shown.logits) == 0);
    CHECK(same_bits(gradient.seen(), nothing.seen()));
    // naive: each token with the teacher's row of the token before
    CHECK(loss(row_block(seen.logits, 1, 6), row_block(shown.logits, 0, 6)) > 0.1F);
    CHECK_FALSE(same_bits(gradient.seen(), nothing.seen()));
  }
}

TEST_CASE("bug_29: gradients of embeddings and biases have the same bits for every number of threads", "[bugs]") {
  const index tokens = 512, width = 64;
  std::vector<std::int32_t> ids(512, 7);  // 400 of them, all over the batch
  for (std::size_t i = 0; i < 112; ++i) ids[i * 4 + i % 4] = static_cast<std::int32_t>(i % 50);
  matrix<float> dy(tokens, width, 1);
  for (index i = 0; i < dy.count(); i += 3) dy.data()[i] *= 1e3F;  // so that the order of a sum shows
  const view<const std::int32_t, 1> seen(ids.data(), ids.size());
  const auto run = [&](int threads) {
    matrix<float> out(51, width);
    const cpu_executor<> on{threads};
    ops::scatter_rows(on, dy.seen(), seen, row_block(out.all(), 0, 50));
    ops::detail::add_column_sums(cpu{}, on, dy.seen(), view<float, 1>(&out(50, 0), width));
    return out;
  };
  const matrix<float> one = run(1);
  for (const int threads : {1, 3, 7, 16})
    for (int again = 0; again < 2; ++again) CHECK(same_bits(one.seen(), run(threads).seen()));

  matrix<float> naive(1, width);  // naive: in the order in which threads arrive
  for (index i = tokens; i-- > 0;)
    for (index c = 0; c < width; ++c) naive(0, c) += dy(i, c);
  CHECK_FALSE(same_bits(naive.seen(), row_block(one.seen(), 50, 1)));
}

TEST_CASE("bug_29, a training pass: it has the same bits for the same number of threads", "[bugs]") {
  const owned_batch batch{.ids = std::vector<std::int32_t>(512, 7),
                          .rows = {{0, 256, 256}, {256, 200, 200}, {456, 56, 56}}};
  transformer_sizes sizes = small;
  sizes.positions = 256;
  sizes.width = 64;
  for (const int threads : {1, 3, 16}) {
    trial<bert_classifier, float> t(make_bert_classifier(sizes, 3), 0.05);
    t.on.threads = threads;
    (void)t.differentiate(batch, signal::logits | signal::hidden, training(3));
    const matrix<float> first = t.gradient;
    for (int again = 0; again < 2; ++again) {
      (void)t.differentiate(batch, signal::logits | signal::hidden, training(3));
      CHECK(same_bits(first.seen(), t.gradient.seen()));
    }
  }
}

}  // namespace
}  // namespace limbeck
