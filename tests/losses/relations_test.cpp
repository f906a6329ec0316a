// Self-attention relations: values, gradients, layouts, heads, layers.
#include "limbeck/losses/relations.hpp"

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

static_assert(loss_policy<minilm_relations<>, cpu_executor<>>);
static_assert(loss_policy<minilm_relations<explicit_mapping>, cpu_executor<>, float, bfloat16>);
static_assert(loss_policy<value_relation<>, cpu_executor<>, bfloat16, float16>);
static_assert(minilm_relations{}.reads == (signal::queries | signal::keys | signal::values));
static_assert(minilm_relations{top_mapping{}, {.weights = {.keys = 0}}}.reads == (signal::queries | signal::values));
static_assert(value_relation{}.reads == signal::values);

struct relation_outcome {
  std::vector<double> value;
  grid gradient;
};

// Columns of a head, of one token with another.
textbook::real relation_score(const grid& x, index b, index head, index width, index r, index k) {
  textbook::real sum = 0;
  for (index j = head * width; j < (head + 1) * width; ++j)
    sum += static_cast<textbook::real>(x(b, 0, r, j)) * static_cast<textbook::real>(x(b, 0, k, j));
  return sum / std::sqrt(static_cast<textbook::real>(width));
}

// Layer 0, from the definition.
relation_outcome relation_by_definition(const representation_case<>& c, index heads, bool causal) {
  const grid &student = c.student[0], &teacher = c.teacher[0];
  relation_outcome want{std::vector<double>(c.sizes.size()), grid(student.samples, 1, student.rows, student.columns)};
  const index width = student.columns / heads, teacher_width = teacher.columns / heads;
  for (index b = 0; b < student.samples; ++b)
    for (index head = 0; head < heads; ++head)
      for (index r = 0; r < c.sizes[static_cast<std::size_t>(b)].keys; ++r) {
        const index seen = visible_keys(c.sizes[static_cast<std::size_t>(b)], r, causal);
        std::vector<textbook::real> s, t;
        for (index k = 0; k < seen; ++k) {
          s.push_back(relation_score(student, b, head, width, r, k));
          t.push_back(relation_score(teacher, b, head, teacher_width, r, k));
        }
        const auto row = textbook::of_row<textbook::forward_kl>(s, t, 1);
        want.value[static_cast<std::size_t>(b)] += static_cast<double>(row.value) / static_cast<double>(heads);
        for (index k = 0; k < seen; ++k)
          for (index j = head * width; j < (head + 1) * width; ++j) {
            const double slope = static_cast<double>(row.gradient[static_cast<std::size_t>(k)]) /
                                 (static_cast<double>(heads) * std::sqrt(static_cast<double>(width)));
            want.gradient(b, 0, r, j) += slope * student(b, 0, k, j);
            want.gradient(b, 0, k, j) += slope * student(b, 0, r, j);
          }
      }
  return want;
}

// Three samples of 5, 3 and 4 tokens, 6 columns in the student, 10 in the teacher.
template <class A = double>
representation_case<A> relation_case(std::size_t student_layers = 1, std::size_t teacher_layers = 1) {
  representation_case<A> c{signal::values, {{0, 5, 5}, {0, 3, 3}, {0, 4, 4}}, {}, {}};
  for (unsigned i = 0; i < student_layers; ++i) c.student.emplace_back(3, 1, 5, 6, 1 + i);
  for (unsigned i = 0; i < teacher_layers; ++i) c.teacher.emplace_back(3, 1, 5, 10, 11 + i);
  return c;
}
value_relation<> relation_of_values(index heads, divisor over = divisor::tokens) {
  return value_relation{top_mapping{}, {.heads = heads, .over = over}};
}

TEST_CASE("value_relation of two tokens agrees with a calculation by hand") {
  // Student: values 1 and 2, so scores (1, 2), (2, 4). Teacher: (1, 0) and (0, 1), so scores 1 / sqrt 2 and 0.
  representation_case<> c{signal::values, {{0, 2, 2}}, {{1, 1, 2, 1}}, {{1, 1, 2, 2}}};
  c.student[0].data = {1, 2};
  c.teacher[0].data = {1, 0, 0, 1};
  c.per.tokens = 2;
  const auto got = c(relation_of_values(1));
  const double p = 1 / (1 + std::exp(-std::sqrt(0.5))), first = 1 / (1 + std::exp(1)), second = 1 / (1 + std::exp(2));
  const auto kl = [](double t, double s) { return t * std::log(t / s) + (1 - t) * std::log((1 - t) / (1 - s)); };
  CHECK(got.value[0] == Approx((kl(p, first) + kl(1 - p, second)) / 2).epsilon(1e-14));
  const double a = (first - p) / 2, b = (second - (1 - p)) / 2;  // d of the first column; the second's is the negative
  CHECK(got.gradient[0].data[0] == Approx(2 * a * 1 + (b - a) * 2).epsilon(1e-13));
  CHECK(got.gradient[0].data[1] == Approx((b - a) * 1 - 2 * b * 2).epsilon(1e-13));
}

TEST_CASE("minilm_relations agrees with its definition for 200 random shapes") {
  double value = 0, gradient = 0;
  bool untouched = true;
  const unsigned first_seed = 20261123;
  for (unsigned seed = first_seed; seed < first_seed + 200; ++seed) {
    const index heads = 1 + seed % 4;
    const bool causal = seed % 7 == 3;
    const auto c = random_batch(signal::queries | signal::keys | signal::values, seed, heads * (1 + seed % 5),
                                heads * (1 + seed / 5 % 7), seed % 40 == 0 ? 70 : 7);
    const minilm_relations loss{
        top_mapping{},
        {.heads = heads, .weights = {.queries = 0.5, .keys = 0, .values = 2}, .causal = causal, .over = divisor::none}};
    const auto got = c(loss);
    auto want = relation_by_definition(c, heads, causal);
    for (std::vector<double>* of : {&want.value, &want.gradient.data})
      for (double& x : *of) x *= 2.5;  // all three are the same matrix
    value = std::max(value, limbeck_test::largest_gap(got.value, want.value));
    gradient = std::max(gradient, limbeck_test::largest_gap(got.gradient[0].data, want.gradient.data));
    untouched = untouched && got.untouched;
    INFO("seed " << seed);
    REQUIRE(untouched);
    REQUIRE(gradient < 1e-11);
    REQUIRE(value < 1e-11);
  }
}

TEST_CASE("the gradients of relations are slopes of their values") {
  const auto states = [](limbeck_test::draws& random, signal_set kind, index heads) {
    const index width = heads * random.between(1, 5), teacher_width = heads * random.between(1, 7);
    const auto layers = std::size_t(random.between(1, 2)), teacher_layers = std::size_t(random.between(1, 3));
    return random_layers(random, kind, width, teacher_width, layers, teacher_layers, random.once_in(20) ? 18 : 6);
  };
  limbeck_test::check_gradients("minilm_relations", [&](limbeck_test::draws& random) {
    const index heads = random.between(1, 4);
    const auto c = states(random, signal::queries | signal::keys | signal::values, heads);  // all three one matrix
    const relation_weights weights{random.number(0, 2), random.number(0, 2), random.number(0, 2)};
    return gradient_of(
        c, minilm_relations{top_mapping{}, {.heads = heads, .weights = weights, .causal = random.once_in(3)}});
  });
  limbeck_test::check_gradients("value_relation", [&](limbeck_test::draws& random) {
    const index heads = random.between(1, 4);
    const auto c = states(random, signal::values, heads);
    const auto map = draw_mapping(random, c.student.size(), c.teacher.size());
    return gradient_of(c, value_relation{map, {.heads = heads, .causal = random.once_in(3)}});
  });
}

TEST_CASE("value_relation has the same bits wherever values lie, and reads and writes nothing around them") {
  auto c = relation_case();
  c.sizes[0].keys = 4;  // the last token is padding
  const auto packed = c(relation_of_values(2));
  CHECK(limbeck_test::largest_gap(packed.value, relation_by_definition(c, 2, false).value) < 1e-13);
  for (const placement mine : {placement{.padded = true}, placement{.before = 3, .after = 1, .wider = 2}})
    for (const placement theirs : {placement{}, placement{.wider = 3, .padded = true}}) {
      c.place = mine;
      c.teacher_place = theirs;
      const auto got = c(relation_of_values(2), 2);
      CHECK(got.value == packed.value);
      CHECK(got.gradient[0].data == packed.gradient[0].data);
      CHECK(got.untouched);
    }
}

TEST_CASE("value_relation takes a teacher in any type, and long samples and wide heads at every level") {
  const auto check_type = [](auto stored) {
    for (const simd_level level : limbeck_test::simd_levels()) {
      const forced_simd_level forced(level);
      representation_case<float, decltype(stored)> c{
          signal::values, {{0, 131, 131}}, {{1, 1, 131, 2 * 19, 1}}, {{1, 1, 131, 2 * 33, 2}}};
      for (double& x : c.student[0].data) x = static_cast<double>(static_cast<float>(x));
      for (double& x : c.teacher[0].data) x = static_cast<double>(static_cast<float>(static_cast<bfloat16>(x)));
      const auto got = c(relation_of_values(2));
      const representation_case<> exact{signal::values, c.sizes, c.student, c.teacher};
      const auto want = relation_by_definition(exact, 2, false);
      CHECK(static_cast<double>(got.value[0]) == Approx(want.value[0]).epsilon(2e-6));
      CHECK(limbeck_test::largest_gap(got.gradient[0].data, want.gradient.data) < 1e-5);
      CHECK(got.untouched);
    }
  };
  check_type(float{});
  check_type(bfloat16{});
}

TEST_CASE("value_relation weighs samples and skips those of weight 0, garbage and all") {
  auto c = relation_case();
  const auto plain = c(relation_of_values(2));
  c.weight = {0.5, 0, 2};
  c.scale = 4;
  c.per.tokens = 8;
  for (grid* side : {&c.student[0], &c.teacher[0]}) (*side)(1, 0, 1, 3) = std::numeric_limits<double>::quiet_NaN();
  const auto got = c(relation_of_values(2));
  CHECK(got.value[0] == Approx(plain.value[0] / 4));
  CHECK(got.value[1] == 0);
  CHECK(got.value[2] == Approx(plain.value[2]));
  CHECK(got.gradient[0](0, 0, 2, 3) == Approx(plain.gradient[0](0, 0, 2, 3) / 4));
  CHECK(got.gradient[0](1, 0, 1, 0) == 0);
  CHECK(got.gradient[0](2, 0, 2, 3) == Approx(plain.gradient[0](2, 0, 2, 3)));
  c.start = 3;
  CHECK(c(relation_of_values(2)).gradient[0](2, 0, 2, 3) == Approx(3 + plain.gradient[0](2, 0, 2, 3)));
  c.gradient_wanted = false;
  CHECK(c(relation_of_values(2)).value[2] == Approx(3 + plain.value[2]));
}

TEST_CASE("relations are those of the layers that the mapping pairs: the last ones, or a teacher's that is named") {
  auto c = relation_case(2, 3);
  c.kind = signal::queries | signal::keys | signal::values;
  const auto one_pair = [&](std::size_t student, std::size_t teacher) {
    auto one = relation_case();
    one.student[0] = c.student[student];
    one.teacher[0] = c.teacher[teacher];
    return one(relation_of_values(2));
  };
  const auto last = c(relation_of_values(2));
  CHECK(last.value == one_pair(1, 2).value);
  CHECK(last.gradient[1].data == one_pair(1, 2).gradient[0].data);
  CHECK(last.gradient[0].data == std::vector<double>(90, 0));
  CHECK(c(value_relation{top_mapping{.teacher = 1}, {.heads = 2}}).value == one_pair(1, 1).value);
  const auto table = c(value_relation{explicit_mapping{{{0, 1, 0.5}, {1, 0}}}, {.heads = 2}});
  for (std::size_t b = 0; b < 3; ++b)
    CHECK(table.value[b] == Approx(0.5 * one_pair(0, 1).value[b] + one_pair(1, 0).value[b]));
  CHECK(c(minilm_relations{top_mapping{}, {.heads = 2}}).value[1] == Approx(3 * last.value[1]));
}

TEST_CASE("minilm_relations reads and moves queries, keys and values by themselves") {
  const std::vector<sample_rows> rows{{0, 3, 3}};
  grid mine[3] = {{1, 1, 3, 4, 1}, {1, 1, 3, 4, 2}, {1, 1, 3, 4, 3}};
  grid theirs[3] = {{1, 1, 3, 2, 4}, {1, 1, 3, 2, 5}, {1, 1, 3, 2, 6}}, gradient[3] = {mine[0], mine[0], mine[0]};
  const auto seen = [&](auto& of) {
    using T = std::remove_reference_t<decltype(of[0].data[0])>;
    signals<T> s;
    s.rows = view<const sample_rows, 1>(rows.data(), 1);
    s.queries = s.keys = s.values = per_layer<view<T, 2>>(1);
    view<T, 2>* const to[3] = {&s.queries[0], &s.keys[0], &s.values[0]};
    for (int i = 0; i < 3; ++i) *to[i] = view<T, 2>(of[i].data.data(), 3, of[i].columns);
    return s;
  };
  const double weights[3] = {1, 0.25, 3};
  const minilm_relations loss{top_mapping{}, {.heads = 2, .weights = {weights[0], weights[1], weights[2]}}};
  double value = 0, expected = 0;
  for (grid& g : gradient) g.data.assign(12, 0);
  const signals<const double> student = seen(mine), teacher = seen(theirs);
  loss(cpu_executor<>{}, student, teacher, targets<double>{},
       sink<double, cpu>{.value = view<double, 1>(&value, 1), .gradient = seen(gradient)});
  for (int i = 0; i < 3; ++i) {
    auto want = relation_by_definition({signal::values, rows, {mine[i]}, {theirs[i]}}, 2, false);
    expected += weights[i] * want.value[0];
    for (double& x : want.gradient.data) x *= weights[i];
    CHECK(limbeck_test::largest_gap(gradient[i].data, want.gradient.data) < 1e-14);
  }
  CHECK(value == Approx(expected).epsilon(1e-13));
}

TEST_CASE("relations of any number of threads, and of micro-batches, have the same bits") {
  auto c = relation_case<float>();
  c.kind = signal::queries | signal::keys | signal::values;
  const minilm_relations loss{top_mapping{}, {.heads = 2}};
  const auto whole = c(loss);
  for (const int threads : {2, 3}) {
    const auto threaded = c(loss, threads);
    CHECK(threaded.value == whole.value);
    CHECK(threaded.gradient[0].data == whole.gradient[0].data);
  }
  c.sizes = {c.sizes[0]};
  CHECK(c(loss).value[0] == whole.value[0]);
}

TEST_CASE("relations of a student that is the teacher, of one token and of nothing are 0") {
  auto c = relation_case();
  c.teacher = c.student;
  auto got = c(relation_of_values(3));
  CHECK(got.value == std::vector<double>(3, 0));
  CHECK(got.gradient[0].data == std::vector<double>(90, 0));
  c = relation_case();
  c.sizes = {{0, 1, 1}, {0, 0, 0}, {0, 3, 0}};
  got = c(relation_of_values(2));
  CHECK(got.value == std::vector<double>(3, 0));
  CHECK(got.gradient[0].data == std::vector<double>(90, 0));
  CHECK(got.untouched);
}

TEST_CASE("relations say what does not fit, before they do anything") {
  auto c = relation_case(1, 2);
  CHECK_THROWS_WITH(c(relation_of_values(4)),
                    "value_relation: 4 heads do not divide a student's width of 6 and a teacher's of 10");
  CHECK_THROWS_WITH(c(relation_of_values(0)),
                    "value_relation: 0 heads do not divide a student's width of 6 and a teacher's of 10");
  CHECK_THROWS_WITH(c(minilm_relations{top_mapping{}, {.heads = 2}}),
                    "top_mapping: needs a layer on both sides, student 0, teacher 0");
  CHECK_THROWS_WITH(c(value_relation{top_mapping{.teacher = 2}, {.heads = 2}}),
                    "top_mapping: teacher layer 2 of 2 layers (they count from 0)");
  c.weight = {1, 1};
  CHECK_THROWS_WITH(c(relation_of_values(2)), "value_relation: 3 samples of the student, 2 of the weights");
}

}  // namespace
}  // namespace limbeck
