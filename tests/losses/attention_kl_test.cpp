// The divergence of attention maps: values, gradients, masks, layouts, heads that are averaged.
#include "limbeck/losses/attention_kl.hpp"

#include <cmath>
#include <limits>

#include "catch.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/representation_case.hpp"
#include "losses/textbook.hpp"
#include "simd_levels.hpp"

namespace limbeck {
namespace {

namespace textbook = limbeck_test::textbook;
using limbeck_test::grid;
using limbeck_test::placement;
using limbeck_test::random_batch;
using limbeck_test::representation_case;

static_assert(loss_policy<attention_kl<>, cpu_executor<>>);
static_assert(loss_policy<attention_kl<explicit_mapping>, cpu_executor<>, float, bfloat16>);
static_assert(attention_kl{}.reads == signal::scores);
static_assert(attention_kl{uniform_mapping{}, {.of = attention_map::probabilities}}.reads == signal::probabilities);

struct attention_kl_outcome {
  std::vector<double> value;
  grid gradient;
};

// A row of the mean map of some heads.
std::vector<textbook::real> attention_kl_row(const grid& maps, index b, index first, index heads, index r, index seen) {
  std::vector<textbook::real> row(static_cast<std::size_t>(seen));
  for (index c = 0; c < seen; ++c)
    for (index h = first; h < first + heads; ++h)
      row[static_cast<std::size_t>(c)] +=
          static_cast<textbook::real>(maps(b, h, r, c)) / static_cast<textbook::real>(heads);
  return row;
}

// Of probabilities: -p_t / p, where they are no softmax's.
textbook::outcome attention_kl_of_probabilities(const std::vector<textbook::real>& q,
                                                const std::vector<textbook::real>& p) {
  textbook::outcome got;
  for (std::size_t c = 0; c < q.size(); ++c) {
    if (p[c] > 0) got.value += textbook::forward_kl::value(p[c], q[c]);
    got.gradient.push_back(textbook::forward_kl::derivative(p[c], q[c]));
  }
  return got;
}

// Layer 0, from the definition: each row by itself, the mean over heads, the sum over rows.
attention_kl_outcome attention_kl_by_definition(const representation_case<>& c, const attention_kl_options& options) {
  const grid &student = c.student[0], &teacher = c.teacher[0];
  attention_kl_outcome want{std::vector<double>(c.sizes.size()),
                            grid(student.samples, student.heads, student.rows, student.columns)};
  const index compared = detail::heads_compared("", student.heads, teacher.heads, options.heads),
              mine = student.heads / compared, theirs = teacher.heads / compared;
  for (index b = 0; b < student.samples; ++b)
    for (index m = 0; m < compared; ++m)
      for (index r = 0; r < c.sizes[static_cast<std::size_t>(b)].keys; ++r) {
        const index seen = visible_keys(c.sizes[static_cast<std::size_t>(b)], r, c.causal);
        const auto s = attention_kl_row(student, b, m * mine, mine, r, seen),
                   t = attention_kl_row(teacher, b, m * theirs, theirs, r, seen);
        const textbook::outcome row = options.of == attention_map::probabilities ? attention_kl_of_probabilities(s, t)
                                      : options.measure == row_divergence::kl
                                          ? textbook::of_row<textbook::forward_kl>(s, t, 1)
                                          : textbook::of_row<textbook::soft_label_cross_entropy>(s, t, 1);
        want.value[static_cast<std::size_t>(b)] += static_cast<double>(row.value) / static_cast<double>(compared);
        for (index h = m * mine; h < (m + 1) * mine; ++h)
          for (index k = 0; k < seen; ++k)
            want.gradient(b, h, r, k) =
                static_cast<double>(row.gradient[static_cast<std::size_t>(k)]) / static_cast<double>(compared * mine);
      }
  return want;
}

// Three samples of 5, 3 and 4 tokens, two heads.
template <class A = double>
representation_case<A> attention_kl_case(std::size_t student_layers = 1, std::size_t teacher_layers = 1) {
  representation_case<A> c{signal::scores, {{0, 5, 5}, {0, 3, 3}, {0, 4, 4}}, {}, {}};
  for (unsigned i = 0; i < student_layers; ++i) c.student.emplace_back(3, 2, 5, 5, 1 + i);
  for (unsigned i = 0; i < teacher_layers; ++i) c.teacher.emplace_back(3, 2, 5, 5, 11 + i);
  return c;
}

// Scores to probabilities, row by row over the keys that it sees.
void attention_kl_softmax(const representation_case<>& c, grid& maps) {
  for (index b = 0; b < maps.samples; ++b)
    for (index h = 0; h < maps.heads; ++h)
      for (index r = 0; r < c.sizes[static_cast<std::size_t>(b)].keys; ++r) {
        const index seen = visible_keys(c.sizes[static_cast<std::size_t>(b)], r, c.causal);
        const auto logs = textbook::log_softmax(attention_kl_row(maps, b, h, 1, r, seen), 1);
        for (index k = 0; k < seen; ++k)
          maps(b, h, r, k) = static_cast<double>(std::exp(logs[static_cast<std::size_t>(k)]));
      }
}

TEST_CASE("attention_kl of one head and two tokens agrees with a calculation by hand") {
  representation_case<> c{signal::scores, {{0, 2, 2}}, {{1, 1, 2, 2}}, {{1, 1, 2, 2}}};
  c.student[0].data = {0, 0, 1, 1};
  c.teacher[0].data = {std::log(3.0), 0, 5, 5};  // (3/4, 1/4), (1/2, 1/2)
  c.per.tokens = 2;
  const auto got = c(attention_kl{});
  CHECK(got.value[0] == Approx((0.75 * std::log(1.5) + 0.25 * std::log(0.5)) / 2).epsilon(1e-14));
  CHECK(limbeck_test::largest_gap(got.gradient[0].data, {-0.125, 0.125, 0, 0}) < 1e-15);
  const auto whole = c(attention_kl{uniform_mapping{}, {.measure = row_divergence::cross_entropy}});
  CHECK(whole.value[0] == Approx(std::log(2.0)).epsilon(1e-14));
  CHECK(whole.gradient[0].data == got.gradient[0].data);

  c.kind = signal::probabilities;
  c.student[0].data = {0.5, 0.5, 0.2, 0.8};
  c.teacher[0].data = {0.75, 0.25, 1, 0};
  const auto plain = c(attention_kl{uniform_mapping{}, {.of = attention_map::probabilities}});
  CHECK(plain.value[0] == Approx((0.75 * std::log(1.5) + 0.25 * std::log(0.5) + std::log(5.0)) / 2).epsilon(1e-14));
  CHECK(limbeck_test::largest_gap(plain.gradient[0].data, {-0.75, -0.25, -2.5, 0}) < 1e-15);
}

TEST_CASE("attention_kl agrees with its definition for 200 random shapes") {
  double value = 0, gradient = 0;
  bool untouched = true;
  const unsigned first_seed = 20261122;
  for (unsigned seed = first_seed; seed < first_seed + 200; ++seed) {
    attention_kl_options options{.over = divisor::none};
    index heads[2] = {1 + seed % 3, 1 + seed % 3};
    if (seed % 5 == 4) {
      options.heads = head_match::mean;
      heads[seed % 2] = 1 + seed / 5 % 4;
    }
    if (seed % 4 == 1) options.measure = row_divergence::cross_entropy;
    auto c = random_batch(signal::scores, seed, heads[0], heads[1], seed % 40 == 4 ? 40 : 7);
    if (seed % 4 == 2) {
      options.of = attention_map::probabilities;
      c.kind = signal::probabilities;
      attention_kl_softmax(c, c.student[0]);
      attention_kl_softmax(c, c.teacher[0]);
    }
    const attention_kl loss{uniform_mapping{}, options};
    const auto got = c(loss);
    const auto want = attention_kl_by_definition(c, options);
    value = std::max(value, limbeck_test::largest_gap(got.value, want.value));
    gradient = std::max(gradient, limbeck_test::largest_gap(got.gradient[0].data, want.gradient.data));
    untouched = untouched && got.untouched;
    INFO("seed " << seed);
    REQUIRE(untouched);
    REQUIRE(gradient < 1e-11);
  }
  INFO("seeds " << first_seed << " and on: value " << value << ", gradient " << gradient);
  CHECK(value < 1e-12);
}

TEST_CASE("the gradient of attention_kl is the slope of its value") {
  limbeck_test::check_gradients("attention_kl", [](limbeck_test::draws& random) {
    const bool means = random.once_in(3), of_scores = random.once_in(2);
    const index heads = random.between(1, 4), teacher_heads = means ? random.between(1, 4) : heads;
    const auto layers = std::size_t(random.between(1, 2)), teacher_layers = std::size_t(random.between(1, 3));
    auto c = random_layers(random, of_scores ? signal::scores : signal::probabilities, heads, teacher_heads, layers,
                           teacher_layers, random.once_in(20) ? 18 : 5);
    for (auto* side : {&c.student, &c.teacher})
      for (grid& layer : *side)
        for (double& x : layer.data) x = of_scores ? x : 0.6 + x / 5;  // 0.2 to 1: not where the logarithm is steep
    return gradient_of(c, attention_kl{draw_mapping(random, layers, teacher_layers),
                                       {.of = of_scores ? attention_map::scores : attention_map::probabilities,
                                        .measure = random.pick({row_divergence::kl, row_divergence::cross_entropy}),
                                        .heads = means ? head_match::mean : head_match::same}});
  });
}

TEST_CASE("attention_kl has the same bits wherever maps lie, and reads and writes nothing around them") {
  for (const attention_map of : {attention_map::scores, attention_map::probabilities})
    for (const bool causal : {false, true}) {
      auto c = attention_kl_case();
      c.causal = causal;
      c.sizes[0].keys = 4;  // the last row does not count
      const attention_kl loss{uniform_mapping{}, {.of = of}};
      c.kind = loss.reads;
      if (of == attention_map::probabilities)
        for (grid* maps : {&c.student[0], &c.teacher[0]}) attention_kl_softmax(c, *maps);
      const auto packed = c(loss);
      for (const placement mine : {placement{.padded = true}, placement{.before = 3, .after = 1, .wider = 2}})
        for (const placement theirs : {placement{}, placement{.wider = 3, .padded = true}}) {
          c.place = mine;
          c.teacher_place = theirs;
          const auto got = c(loss, 2);
          CHECK(got.value == packed.value);
          CHECK(got.gradient[0].data == packed.gradient[0].data);
          CHECK(got.untouched);
        }
    }
}

TEST_CASE("attention_kl takes a teacher in any type, and long rows at every level") {
  const auto check_type = [](auto stored) {
    for (const simd_level level : limbeck_test::simd_levels()) {
      const forced_simd_level forced(level);
      representation_case<float, decltype(stored)> c{
          signal::scores, {{0, 37, 37}}, {{1, 1, 37, 37, 1}}, {{1, 1, 37, 37, 2}}};
      for (double& x : c.teacher[0].data) x = static_cast<double>(static_cast<float>(static_cast<bfloat16>(x)));
      c.causal = true;
      const auto got = c(attention_kl{});
      representation_case<> exact{signal::scores, c.sizes, c.student, c.teacher};
      exact.causal = true;
      const auto want = attention_kl_by_definition(exact, {});
      CHECK(static_cast<double>(got.value[0]) == Approx(want.value[0]).epsilon(2e-6));
      CHECK(limbeck_test::largest_gap(got.gradient[0].data, want.gradient.data) < 1e-6);
      CHECK(got.untouched);
    }
  };
  check_type(float{});
  check_type(bfloat16{});
}

TEST_CASE("attention_kl weighs samples and skips those of weight 0, garbage and all") {
  auto c = attention_kl_case();
  const auto plain = c(attention_kl{});
  c.weight = {0.5, 0, 2};
  c.scale = 4;
  c.per.samples = 8;
  for (grid* side : {&c.student[0], &c.teacher[0]})
    for (index i = 0; i < 5; ++i) (*side)(1, 0, i, 0) = std::numeric_limits<double>::quiet_NaN();
  const attention_kl loss{uniform_mapping{}, {.over = divisor::samples}};
  const auto got = c(loss);
  CHECK(got.value[0] == Approx(plain.value[0] / 4));
  CHECK(got.value[1] == 0);
  CHECK(got.value[2] == Approx(plain.value[2]));
  CHECK(got.gradient[0](0, 1, 2, 3) == Approx(plain.gradient[0](0, 1, 2, 3) / 4));
  CHECK(got.gradient[0](1, 0, 1, 0) == 0);
  CHECK(got.gradient[0](2, 1, 2, 3) == Approx(plain.gradient[0](2, 1, 2, 3)));

  c.start = 3;
  CHECK(c(loss).gradient[0](2, 1, 2, 3) == Approx(3 + plain.gradient[0](2, 1, 2, 3)));
  c.gradient_wanted = false;
  CHECK(c(loss).value[2] == Approx(3 + plain.value[2]));
}

TEST_CASE("attention_kl adds up the layers that its mapping pairs, each with its weight") {
  const auto c = attention_kl_case(2, 3);
  const attention_kl loss{explicit_mapping{{{0, 2, 0.25}, {0, 1, 0.75}, {1, 2, 2}}}};
  const auto got = c(loss);
  std::vector<double> value(3);
  for (const auto& p : loss.map.pairs) {
    auto one = attention_kl_case();
    one.student[0] = c.student[p.student];
    one.teacher[0] = c.teacher[p.teacher];
    const auto part = one(attention_kl{});
    for (std::size_t b = 0; b < 3; ++b) value[b] += p.weight * part.value[b];
  }
  CHECK(limbeck_test::largest_gap(got.value, value) < 1e-12);
}

TEST_CASE("attention_kl keeps its digits where maps nearly agree, and is 0 where they do") {
  auto c = attention_kl_case<float>();
  for (grid* side : {&c.student[0], &c.teacher[0]})
    for (double& x : side->data) x = static_cast<double>(static_cast<float>(x));
  c.teacher = c.student;
  CHECK(c(attention_kl{}).value == std::vector<float>(3, 0));
  CHECK(c(attention_kl{}).gradient[0].data == std::vector<double>(150, 0));
  for (std::size_t i = 0; i < c.teacher[0].data.size(); i += 3)
    c.teacher[0].data[i] = static_cast<double>(static_cast<float>(c.teacher[0].data[i] + 1e-3));
  const auto got = c(attention_kl{});
  representation_case<> exact{signal::scores, c.sizes, c.student, c.teacher};
  const auto want = attention_kl_by_definition(exact, {});
  for (std::size_t b = 0; b < 3; ++b) {
    CHECK(want.value[b] < 1e-5);
    CHECK(static_cast<double>(got.value[b]) == Approx(want.value[b]).epsilon(1e-4));
  }
}

TEST_CASE("attention_kl of micro-batches adds up to that of the whole batch, for any number of threads") {
  const auto c = attention_kl_case<float>(2, 2);
  const auto whole = c(attention_kl{});
  for (const int threads : {2, 3}) {
    const auto threaded = c(attention_kl{}, threads);
    CHECK(threaded.value == whole.value);
    for (const std::size_t layer : {0U, 1U}) CHECK(threaded.gradient[layer].data == whole.gradient[layer].data);
  }
  auto part = c;
  part.sizes = {c.sizes[0]};
  const auto first = part(attention_kl{});
  CHECK(first.value[0] == whole.value[0]);
}

TEST_CASE("attention_kl of probabilities that the student rules out is infinite, with a finite gradient") {
  representation_case<> c{signal::probabilities, {{0, 2, 2}}, {{1, 1, 2, 2}}, {{1, 1, 2, 2}}};
  c.student[0].data = {0, 1, 1, 0};
  c.teacher[0].data = {0.5, 0.5, 1, 0};
  const auto got = c(attention_kl{uniform_mapping{}, {.of = attention_map::probabilities}});
  CHECK(got.value[0] == std::numeric_limits<double>::infinity());
  for (const double x : got.gradient[0].data) CHECK(std::isfinite(x));
}

TEST_CASE("attention_kl of nothing is nothing, and of one token 0") {
  auto c = attention_kl_case();
  c.sizes = {{0, 0, 0}, {0, 3, 0}, {0, 1, 1}};
  CHECK(c(attention_kl{}).value == std::vector<double>{0, 0, 0});
  c.sizes = {};
  c.student = c.teacher = {grid(0, 2, 0, 0)};
  CHECK(c(attention_kl{}).total() == 0);
}

TEST_CASE("attention_kl says what does not fit, before it does anything") {
  auto c = attention_kl_case(2, 2);
  CHECK_THROWS_WITH(c(attention_kl{explicit_mapping{{{0, 1}, {1, 2}}}}),
                    "explicit_mapping: teacher layer 2 of 2 layers (they count from 0)");
  CHECK_THROWS_WITH(c(attention_kl{uniform_mapping{}, {.of = attention_map::probabilities}}),
                    "uniform_mapping: needs a layer on both sides, student 0, teacher 0");
  c.weight = {1, 1};
  CHECK_THROWS_WITH(c(attention_kl{}), "attention_kl: 3 samples of the student, 2 of the weights");
  c.weight = {};
  c.teacher = {grid(3, 3, 5, 5), grid(3, 3, 5, 5)};
  CHECK_THROWS_WITH(c(attention_kl{}), "attention_kl: 2 heads of the student, 3 of the teacher");
  CHECK_NOTHROW(c(attention_kl{uniform_mapping{}, {.heads = head_match::mean}}));

  double numbers[4] = {};
  const std::vector<sample_rows> rows{{0, 2, 2}};
  const std::vector<block> blocks{{0, 2}};
  const auto seen = [&](bool causal) {
    signals<const double> s;
    s.rows = view<const sample_rows, 1>(rows.data(), 1);
    s.scores = per_layer<square_blocks<const double>>(1);
    s.scores[0] = {numbers, 1, view<const block, 1>(blocks.data(), 1), causal};
    return s;
  };
  CHECK_THROWS_WITH(attention_kl{}(cpu_executor<>{}, seen(false), seen(true), targets<double>{}, sink<double, cpu>{}),
                    "attention_kl: the teacher's maps are causal, the student's are not");
}

}  // namespace
}  // namespace limbeck
