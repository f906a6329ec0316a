// The squared difference of hidden states and embeddings, with a projection and without: values, gradients, layouts.
#include "limbeck/losses/hidden_mse.hpp"

#include <cmath>
#include <span>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/mappings/block.hpp"
#include "limbeck/mappings/ends.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/representation_oracle.hpp"

namespace {

namespace oracle = limbeck_test::oracle;
namespace signal = limbeck::signal;
using limbeck::divisor;
using limbeck::embedding_mse;
using limbeck::explicit_mapping;
using limbeck::hidden_mse;
using limbeck::linear_projection;
using limbeck::mask_mode;
using limbeck::no_projection;
using limbeck::uniform_mapping;
using limbeck_test::grid;
using limbeck_test::matrix;
using limbeck_test::placement;
using limbeck_test::representation_case;
using limbeck_test::undefined;

using projection = linear_projection<double>;
static_assert(limbeck::loss_policy<hidden_mse<>, limbeck::cpu_executor<>>);
static_assert(limbeck::loss_policy<hidden_mse<>, limbeck::cpu_executor<>, limbeck::bfloat16, float, float>);
static_assert(limbeck::loss_policy<embedding_mse<projection>, limbeck::cpu_executor<>, double, float, double>);
static_assert(hidden_mse{}.reads == signal::hidden && embedding_mse{}.reads == signal::embeddings);

// Four samples of 4, 1, 3 and 2 tokens.
template <class A = double, class U = A>
representation_case<A, U> four_samples(limbeck::index width, limbeck::index teacher_width,
                                       std::size_t student_layers = 1, std::size_t teacher_layers = 1) {
  representation_case<A, U> c{signal::hidden, {{0, 4, 4}, {0, 1, 1}, {0, 3, 3}, {0, 2, 2}}, {}, {}};
  for (unsigned i = 0; i < student_layers; ++i) c.student.emplace_back(4, 1, 4, width, 1 + i);
  for (unsigned i = 0; i < teacher_layers; ++i) c.teacher.emplace_back(4, 1, 4, teacher_width, 11 + i);
  return c;
}

template <class Case>
oracle::array token_mask_of(const Case& c) {
  std::vector<limbeck::index> rows;
  for (const auto& s : c.sizes) rows.push_back(c.mask == mask_mode::exact ? s.keys : s.length);
  return oracle::valid(rows, c.student[0].rows);
}

// A projection that owns what it looks at.
struct owned_projection {
  matrix<> weight, bias, weight_gradient, bias_gradient;
  bool has_bias = true;

  owned_projection(limbeck::index out, limbeck::index in)
      : weight(out, in, 5), bias(1, out, 6), weight_gradient(out, in), bias_gradient(1, out) {}
  projection operator()() {
    if (!has_bias) return {weight.seen(), {}, weight_gradient.all(), {}};
    return {weight.seen(), bias.seen_flat(), weight_gradient.all(), bias_gradient.flat()};
  }
  // Without anything to learn.
  [[nodiscard]] projection fixed() const {
    return {weight.seen(), has_bias ? bias.seen_flat() : limbeck::view<const double, 1>{}};
  }
  void forget() {
    weight_gradient.fill(0);
    bias_gradient.fill(0);
  }
};
oracle::array of(const matrix<>& m) {
  oracle::array a = xt::zeros<double>({m.rows(), m.columns()});
  std::copy_n(m.data(), m.count(), a.begin());
  return a;
}
double distance(const matrix<>& got, const oracle::array& want) {
  return oracle::distance(std::vector<double>(got.data(), got.data() + got.count()), want);
}

// What a pair of layers gives, with a projection.
struct expected {
  oracle::array value;
  oracle::projected_gradient gradient;
};
expected reference(const representation_case<>& c, const owned_projection& p, std::size_t student,
                   std::size_t teacher) {
  const oracle::array h = oracle::of(c.student[student]), w = of(p.weight);
  const oracle::array b =
      p.has_bias ? of(p.bias) : oracle::array(xt::zeros<double>({limbeck::index{1}, p.bias.columns()}));
  const oracle::array flat_bias = xt::reshape_view(b, {p.bias.columns()});
  const auto error = oracle::squared_error(oracle::projected(h, w, flat_bias), oracle::of(c.teacher[teacher]),
                                           token_mask_of(c), static_cast<double>(c.teacher[teacher].columns));
  return {error.value, oracle::projected_back(h, w, error.gradient)};
}

// A mapping that does not look at the depths.
struct beyond {
  void operator()(limbeck::depths, std::invocable<limbeck::layer_pair> auto&& visit) const {
    visit(limbeck::layer_pair{0, 0});
    visit(limbeck::layer_pair{1, 7});
  }
};

}  // namespace

TEST_CASE("hidden_mse of two tokens agrees with a calculation by hand") {
  representation_case<> c{signal::hidden, {{0, 2, 2}}, {{1, 1, 2, 2}}, {{1, 1, 2, 2}}};
  c.student[0].data = {1, 2, 3, 4};
  c.teacher[0].data = {0, 2, 5, 4.5};
  c.per.tokens = 2;
  const auto got = c(hidden_mse{});
  CHECK(got.value == std::vector<double>{(1 + 4 + 0.25) / 4});
  CHECK(got.gradient[0].data == std::vector<double>{0.5, 0, -1, -0.25});
}

TEST_CASE("hidden_mse without a projection agrees with the reference") {
  for (const mask_mode mask : {mask_mode::exact, mask_mode::tinybert_zeroing}) {
    auto c = four_samples(7, 7);
    c.mask = mask;
    c.sizes[0].keys = 2;              // padded rows take part under tinybert_zeroing alone
    c.student[0](0, 0, 1, 1) = -1e4;  // which zeroes scores, never states
    const hidden_mse loss{uniform_mapping{}, no_projection{}, {.mask = mask}};
    const auto got = c(loss);
    const auto want = oracle::squared_error(oracle::of(c.student[0]), oracle::of(c.teacher[0]), token_mask_of(c), 7);
    CHECK(oracle::distance(got.value, want.value) < 1e-12 * want.value(0));
    CHECK(oracle::distance(got.gradient[0].data, want.gradient) < 1e-12);
    CHECK(got.untouched);
  }
}

TEST_CASE("hidden_mse with a projection, with and without a bias, agrees with the reference") {
  for (const bool bias : {true, false})
    for (const placement place : {placement{}, placement{.before = 1, .wider = 2, .padded = true}}) {
      auto c = four_samples(3, 5);
      c.place = c.teacher_place = place;
      c.sizes[2].keys = 2;
      owned_projection p(5, 3);
      p.has_bias = bias;
      const auto got = c(hidden_mse{uniform_mapping{}, p()});
      const expected want = reference(c, p, 0, 0);
      CHECK(oracle::distance(got.value, want.value) < 1e-12);
      CHECK(oracle::distance(got.gradient[0].data, want.gradient.state) < 1e-12);
      CHECK(got.untouched);
      CHECK(distance(p.weight_gradient, want.gradient.weight) < 1e-12);
      if (bias) CHECK(distance(p.bias_gradient, want.gradient.bias) < 1e-12);

      const hidden_mse fixed{uniform_mapping{}, p.fixed()};
      CHECK(c(fixed).value == got.value);
      CHECK(c(fixed).gradient[0].data == got.gradient[0].data);
    }
}

TEST_CASE("the gradients of hidden_mse and embedding_mse are slopes of their values, for projections too") {
  limbeck_test::check_gradients("hidden_mse", [](limbeck_test::draws& random) {
    const mask_mode mask = random.pick({mask_mode::exact, mask_mode::tinybert_zeroing});
    return gradient_of_states(random, mask, [=](const auto& map, const auto& p) {
      return hidden_mse{map, p, {.mask = mask}};
    });
  });
  limbeck_test::check_gradients("embedding_mse", [](limbeck_test::draws& random) {
    const limbeck::index width = random.between(1, 9), teacher_width = random.between(1, 9);
    const auto c = random_layers(random, signal::embeddings, width, teacher_width);
    const bool has_bias = random.once_in(2);
    return gradient_of(c, {limbeck_test::learned_map(random, teacher_width, width, has_bias)},
                       [](const auto& seen) { return embedding_mse{seen[0]}; });
  });
}

TEST_CASE("hidden_mse finds each model's rows where that model has them, and reads and writes nothing around them") {
  owned_projection p(5, 3);
  auto plain = four_samples(7, 7), wide = four_samples(3, 5);
  plain.sizes[2].keys = wide.sizes[2].keys = 1;
  const auto packed = plain(hidden_mse{}), packed_wide = wide(hidden_mse{uniform_mapping{}, p()});
  const matrix<> weight_gradient = p.weight_gradient;
  for (const placement mine : {placement{}, placement{.padded = true}, placement{.before = 2, .after = 1, .wider = 3}})
    for (const placement theirs : {placement{}, placement{.before = 1, .wider = 1, .padded = true}}) {
      plain.place = wide.place = mine;
      plain.teacher_place = wide.teacher_place = theirs;
      const auto got = plain(hidden_mse{});
      CHECK(got.value == packed.value);
      CHECK(got.gradient[0].data == packed.gradient[0].data);
      CHECK(got.untouched);
      p.forget();
      const auto projected = wide(hidden_mse{uniform_mapping{}, p()});
      for (std::size_t i = 0; i < 4; ++i) CHECK(projected.value[i] == Approx(packed_wide.value[i]).epsilon(1e-13));
      for (std::size_t i = 0; i < projected.gradient[0].data.size(); ++i)
        CHECK(std::abs(projected.gradient[0].data[i] - packed_wide.gradient[0].data[i]) < 1e-13);
      CHECK(projected.untouched);
      CHECK(limbeck_test::largest_gap(p.weight_gradient.seen(), weight_gradient.seen()) < 1e-13);
    }
}

TEST_CASE("hidden_mse skips samples of weight 0, garbage and all, also in the gradient of a projection") {
  owned_projection p(5, 3);
  auto c = four_samples(3, 5);
  for (const std::size_t skipped : {0U, 1U, 3U}) {
    c.weight = {1, 0.5, 2, 1};
    c.weight[skipped] = 0;
    auto poisoned = c;
    for (grid* side : {&poisoned.student[0], &poisoned.teacher[0]})
      for (limbeck::index i = 0; i < side->rows * side->columns; ++i)
        (*side)(static_cast<limbeck::index>(skipped), 0, 0, i) = undefined;
    p.forget();
    const auto want = c(hidden_mse{uniform_mapping{}, p()});
    const matrix<> weight_gradient = p.weight_gradient, bias_gradient = p.bias_gradient;
    p.forget();
    const auto got = poisoned(hidden_mse{uniform_mapping{}, p()});
    CHECK(got.value == want.value);
    CHECK(got.value[skipped] == 0);
    CHECK(got.gradient[0].data == want.gradient[0].data);
    CHECK(limbeck_test::same_bits(p.weight_gradient.seen(), weight_gradient.seen()));
    CHECK(limbeck_test::same_bits(p.bias_gradient.seen(), bias_gradient.seen()));
  }
  auto plain = four_samples(7, 7);
  const auto all = plain(hidden_mse{});
  plain.weight = {0.5, 0, 2, 1};
  plain.student[0](1, 0, 0, 3) = undefined;
  const auto got = plain(hidden_mse{});
  CHECK(got.value == std::vector<double>{all.value[0] / 2, 0, all.value[2] * 2, all.value[3]});
  CHECK(got.gradient[0](1, 0, 0, 3) == 0);
}

TEST_CASE("hidden_mse divides by the caller's count, and adds to what is there") {
  auto c = four_samples(7, 7);
  const auto plain = c(hidden_mse{});
  c.per = {.samples = 2, .rows = 3, .tokens = 4, .pairs = 8, .elements = 16};
  const auto share = [&](divisor over) {
    return c(hidden_mse{uniform_mapping{}, no_projection{}, {.over = over}}).value[1] / plain.value[1];
  };
  CHECK(share(divisor::none) == 1);
  CHECK(share(divisor::samples) == Approx(1 / 2.0));
  CHECK(share(divisor::rows) == Approx(1 / 3.0));
  CHECK(share(divisor::tokens) == Approx(1 / 4.0));
  CHECK(share(divisor::pairs) == Approx(1 / 8.0));
  CHECK(share(divisor::elements) == Approx(1 / 16.0));
  c.start = 3;
  c.scale = 8;
  const auto got = c(hidden_mse{});
  CHECK(got.value[3] == Approx(3 + 2 * plain.value[3]));
  CHECK(got.gradient[0](0, 0, 3, 2) == Approx(3 + 2 * plain.gradient[0](0, 0, 3, 2)));
}

TEST_CASE("hidden_mse and embedding_mse write gradients of states that may hold anything") {
  const limbeck::hidden_mse_options fresh{.states = limbeck::gradient_holds::anything};
  auto c = four_samples(5, 5, 1, 2);
  c.sizes[2].keys = 1;
  c.weight = {1, 0, 2, 1};
  const owned_projection owned(5, 5);
  const explicit_mapping once{{{0, 1}}}, twice{{{0, 0}, {0, 1}}};
  const auto check = [&](const auto& added, const auto& written) {
    c.start = 0;
    const auto want = c(added);
    c.start = 7;
    for (const int threads : {1, 2}) {
      const auto got = c(written, threads);
      CHECK(got.gradient[0].data == want.gradient[0].data);
      CHECK(got.cleared);
    }
  };
  for (const explicit_mapping& map : {once, twice}) {
    check(hidden_mse{map}, hidden_mse{map, no_projection{}, fresh});
    check(hidden_mse{map, owned.fixed()}, hidden_mse{map, owned.fixed(), fresh});
  }
  c.kind = signal::embeddings;
  check(embedding_mse{}, embedding_mse{no_projection{}, fresh});
}

TEST_CASE("hidden_mse adds up the layers that its mapping pairs, each with its weight, through one projection") {
  const auto c = four_samples(3, 5, 2, 3);
  owned_projection p(5, 3);
  const hidden_mse loss{explicit_mapping{{{0, 2, 0.25}, {0, 1, 0.75}, {1, 2, 2}}}, p()};
  const auto got = c(loss);
  oracle::array value = xt::zeros<double>({4}), weight = xt::zeros<double>({5, 3}), bias = xt::zeros<double>({5});
  std::vector<oracle::array> state(2, oracle::array(xt::zeros<double>({4, 1, 4, 3})));
  for (const auto& pair : loss.map.pairs) {
    const expected one = reference(c, p, pair.student, pair.teacher);
    value += pair.weight * one.value;
    state[pair.student] += pair.weight * one.gradient.state;
    weight += pair.weight * one.gradient.weight;
    bias += pair.weight * one.gradient.bias;
  }
  CHECK(oracle::distance(got.value, value) < 1e-12);
  for (const std::size_t layer : {0U, 1U}) CHECK(oracle::distance(got.gradient[layer].data, state[layer]) < 1e-12);
  CHECK(distance(p.weight_gradient, weight) < 1e-12);
  CHECK(distance(p.bias_gradient, bias) < 1e-12);
}

TEST_CASE(
    "through a linear projection, hidden_mse to the mean of a block has the gradients of the mean of its losses") {
  auto c = four_samples(3, 5, 2, 5);
  auto means = c;
  means.teacher = {mean_of(std::span(c.teacher).first(3)), mean_of(std::span(c.teacher).last(2))};
  owned_projection p(5, 3), q(5, 3);
  std::vector<double> constant;  // of the student: the teacher's variance within its blocks
  for (const unsigned student : {1U, 7U}) {
    for (unsigned m = 0; m < 2; ++m) means.student[m] = c.student[m] = grid(4, 1, 4, 3, student + m);
    p.forget();
    q.forget();
    const auto losses = c(hidden_mse{limbeck::block_mapping{}, p()});
    const auto targets = means(hidden_mse{limbeck::first_mapping{}, q()});
    for (const std::size_t m : {0U, 1U})
      CHECK(limbeck_test::largest_gap(targets.gradient[m].data, losses.gradient[m].data) < 1e-13);
    for (limbeck::index i = 0; i < p.weight.count(); ++i)
      CHECK(q.weight_gradient.data()[i] == Approx(p.weight_gradient.data()[i]).margin(1e-13));
    for (limbeck::index i = 0; i < 5; ++i)
      CHECK(q.bias_gradient.data()[i] == Approx(p.bias_gradient.data()[i]).margin(1e-13));
    constant.push_back(losses.total() - targets.total());
  }
  CHECK(constant[0] > 1);
  CHECK(constant[1] == Approx(constant[0]).epsilon(1e-12));
}

TEST_CASE("two terms share a projection: its gradients are the weighted sums of theirs") {
  auto c = four_samples(3, 5, 1, 2);
  c.kind = signal::hidden | signal::embeddings;  // both look at layer 0
  owned_projection p(5, 3);
  const auto goal = 0.5 * hidden_mse{uniform_mapping{}, p()} + 2 * embedding_mse{p()};
  static_assert(std::is_same_v<decltype(goal.reads), limbeck::signal_set>);
  CHECK(goal.reads == (signal::hidden | signal::embeddings));
  const auto got = c(goal);
  const expected hidden = reference(c, p, 0, 1), embedding = reference(c, p, 0, 0);
  CHECK(oracle::distance(got.value, 0.5 * hidden.value + 2 * embedding.value) < 1e-12);
  CHECK(oracle::distance(got.gradient[0].data, 0.5 * hidden.gradient.state + 2 * embedding.gradient.state) < 1e-12);
  CHECK(distance(p.weight_gradient, 0.5 * hidden.gradient.weight + 2 * embedding.gradient.weight) < 1e-12);
  CHECK(distance(p.bias_gradient, 0.5 * hidden.gradient.bias + 2 * embedding.gradient.bias) < 1e-12);
}

TEST_CASE("hidden_mse with a projection reads a teacher in any type, and long runs in pieces") {
  const auto check_type = [](auto stored) {
    representation_case<float, decltype(stored)> c{signal::hidden, {}, {{40, 1, 30, 6, 1}}, {{40, 1, 30, 19, 2}}};
    for (limbeck::index i = 0; i < 40; ++i) c.sizes.push_back({0, 30 - i % 2, 30 - i % 2});  // 1180 rows: three runs
    for (double& x : c.teacher[0].data) x = static_cast<double>(static_cast<float>(static_cast<limbeck::bfloat16>(x)));
    matrix<float> weight(19, 6, 3), weight_gradient(19, 6);
    const hidden_mse loss{uniform_mapping{}, linear_projection<float>{weight.seen(), {}, weight_gradient.all(), {}}};
    const auto got = c(loss);
    const oracle::array h = oracle::of(c.student[0]), w = of(matrix<>(weight));
    const auto want = oracle::squared_error(oracle::projected(h, w, xt::zeros<double>({19})), oracle::of(c.teacher[0]),
                                            token_mask_of(c), 19);
    const auto back = oracle::projected_back(h, w, want.gradient);
    CHECK(oracle::distance(got.value, want.value) < 2e-6 * want.value(0));
    CHECK(oracle::distance(got.gradient[0].data, back.state) < 2e-6);
    CHECK(distance(matrix<>(weight_gradient), back.weight) < 1e-4);  // of 1180 rows

    const matrix<float> once = weight_gradient;
    weight_gradient.fill(0);
    const auto threaded = c(loss, 3);
    CHECK(threaded.value == got.value);
    CHECK(threaded.gradient[0].data == got.gradient[0].data);
    CHECK(limbeck_test::same_bits(weight_gradient.seen(), once.seen()));
  };
  check_type(float{});
  check_type(limbeck::bfloat16{});
}

TEST_CASE("hidden_mse of micro-batches adds up to that of the whole batch") {
  auto c = four_samples(3, 5);
  const limbeck::view<const limbeck::sample_rows, 1> rows(c.sizes.data(), 4);
  c.per = limbeck::counts_of(rows);
  CHECK(c.per.samples == 4);
  CHECK(c.per.tokens == 10);
  owned_projection whole(5, 3), parts(5, 3);
  const auto want = c(hidden_mse{uniform_mapping{}, whole()});
  for (limbeck::index first = 0, last = 1; first < 4; first = last, last = 4) {  // 1 and 3 samples
    auto part = c;
    part.sizes.assign(c.sizes.begin() + first, c.sizes.begin() + last);
    const auto cut = [&](grid& g) {
      grid some(last - first, 1, g.rows, g.columns);
      std::copy_n(g.data.begin() + first * g.rows * g.columns, some.data.size(), some.data.begin());
      g = some;
    };
    cut(part.student[0]);
    cut(part.teacher[0]);
    const auto got = part(hidden_mse{uniform_mapping{}, parts()});
    for (limbeck::index i = first; i < last; ++i)
      CHECK(got.value[static_cast<std::size_t>(i - first)] ==
            Approx(want.value[static_cast<std::size_t>(i)]).epsilon(1e-14));
    for (std::size_t i = 0; i < got.gradient[0].data.size(); ++i)
      CHECK(std::abs(got.gradient[0].data[i] - want.gradient[0].data[i + static_cast<std::size_t>(first) * 12]) <
            1e-14);
  }
  CHECK(limbeck_test::largest_gap(parts.weight_gradient.seen(), whole.weight_gradient.seen()) < 1e-14);
  CHECK(limbeck_test::largest_gap(parts.bias_gradient.seen(), whole.bias_gradient.seen()) < 1e-14);
}

TEST_CASE("hidden_mse and embedding_mse of a student that is the teacher are exactly 0") {
  auto c = four_samples(7, 7);
  c.kind = signal::hidden | signal::embeddings;
  c.teacher = c.student;
  const auto got = c(hidden_mse{} + embedding_mse{});
  CHECK(got.value == std::vector<double>(4, 0));
  CHECK(got.gradient[0].data == std::vector<double>(4 * 4 * 7, 0));

  owned_projection p(7, 7);  // y = h
  p.weight.fill(0);
  p.bias.fill(0);
  for (limbeck::index i = 0; i < 7; ++i) p.weight(i, i) = 1;
  const auto projected = c(hidden_mse{uniform_mapping{}, p()});
  CHECK(projected.value == std::vector<double>(4, 0));
  CHECK(projected.gradient[0].data == std::vector<double>(4 * 4 * 7, 0));
  CHECK(limbeck_test::largest_gap(p.weight_gradient.seen(), matrix<>(7, 7).seen()) == 0);
}

TEST_CASE("hidden_mse of nothing is nothing") {
  auto c = four_samples(3, 5);
  c.sizes = {{0, 0, 0}, {0, 2, 0}, {0, 0, 0}, {0, 0, 0}};
  owned_projection p(5, 3);
  CHECK(c(hidden_mse{uniform_mapping{}, p()}).value == std::vector<double>(4, 0));
  c.sizes = {};
  c.student = {grid(0, 1, 0, 3)};
  c.teacher = {grid(0, 1, 0, 5)};
  CHECK(c(hidden_mse{uniform_mapping{}, p()}).total() == 0);
  CHECK(limbeck_test::largest_gap(p.weight_gradient.seen(), matrix<>(5, 3).seen()) == 0);
}

TEST_CASE("hidden_mse and embedding_mse say what does not fit, before they do anything") {
  auto c = four_samples(3, 5, 2, 2);
  CHECK_THROWS_WITH(c(hidden_mse{}), "hidden_mse: the student is 3 wide, the teacher 5; give it a linear_projection");
  const owned_projection p(5, 4);
  CHECK_THROWS_WITH(c(hidden_mse{uniform_mapping{}, p.fixed()}),
                    "hidden_mse: projection [5, 4], teacher's width 5, student's width 3");
  CHECK_THROWS_WITH(c(hidden_mse{explicit_mapping{{{0, 1}, {2, 1}}}}),
                    "explicit_mapping: student layer 2 of 2 layers (they count from 0)");
  CHECK_THROWS_WITH(c(embedding_mse{}), "embedding_mse: the student's pass kept no states");
  c.weight = {1, 1};
  CHECK_THROWS_WITH(c(hidden_mse{}), "hidden_mse: 4 samples of the student, 2 of the weights");
  c.kind = signal::embeddings;
  CHECK_THROWS_WITH(c(hidden_mse{}), "hidden_mse: 4 samples of the student, 2 of the weights");
  c.weight = {};
  CHECK_THROWS_WITH(c(hidden_mse{}), "uniform_mapping: needs a layer on both sides, student 0, teacher 0");
  CHECK_THROWS_WITH(c(embedding_mse{}),
                    "embedding_mse: the student is 3 wide, the teacher 5; give it a linear_projection");

  // A mapping that shows a layer which a pass did not keep, a second layer of another width, columns with gaps.
  const std::vector<limbeck::sample_rows> rows{{0, 2, 2}};
  const std::vector<double> numbers(32, 1), others(32, 2);
  double value = 0, gradient[32] = {};
  limbeck::signals<const double> student, teacher;
  student.rows = teacher.rows = limbeck::view<const limbeck::sample_rows, 1>(rows.data(), 1);
  student.hidden = teacher.hidden = limbeck::per_layer<limbeck::view<const double, 2>>(2);
  for (const std::size_t layer : {0U, 1U}) {
    student.hidden[layer] = limbeck::view<const double, 2>(numbers.data(), 2, 4);
    teacher.hidden[layer] = limbeck::view<const double, 2>(others.data(), 2, layer == 0 ? 4 : 6);
  }
  limbeck::sink<double, limbeck::cpu> out{limbeck::view<double, 1>(&value, 1)};
  const auto call = [&](const auto& loss) {
    loss(limbeck::cpu_executor<>{}, student, teacher, limbeck::targets<double>{}, out);
  };
  CHECK_THROWS_WITH(call(hidden_mse{}),
                    "hidden_mse: the student is 4 wide, the teacher 6; give it a linear_projection");
  CHECK_THROWS_WITH(call(hidden_mse{beyond{}}), "hidden_mse: the teacher's pass kept 2 layers, layer 7 is wanted");
  teacher.hidden[1] = limbeck::view<const double, 2>(others.data(), {{2, 4}}, {{8, 2}});
  CHECK_THROWS_WITH(call(hidden_mse{}), "hidden_mse: the columns of a state must lie side by side");
  teacher.hidden[1] = teacher.hidden[0];
  out.gradient.hidden = limbeck::per_layer<limbeck::view<double, 2>>(2);
  out.gradient.hidden[0] = limbeck::view<double, 2>(gradient, 2, 4);
  out.gradient.hidden[1] = limbeck::view<double, 2>(gradient, 2, 3);
  CHECK_THROWS_WITH(call(hidden_mse{}), "hidden_mse: gradient [2, 3], student [2, 4]");
  CHECK(value == 0);
  CHECK(gradient[0] == 0);
  out.gradient.hidden[1] = {};  // not wanted
  call(hidden_mse{});
  CHECK(value == 4);
}
