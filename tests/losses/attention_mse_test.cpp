// The squared difference of attention maps: values, gradients, masks, layouts.
#include "limbeck/losses/attention_mse.hpp"

#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "catch.hpp"
#include "limbeck/mappings/block.hpp"
#include "limbeck/mappings/ends.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/representation_oracle.hpp"

namespace {

namespace oracle = limbeck_test::oracle;
namespace signal = limbeck::signal;
using limbeck::attention_map;
using limbeck::attention_mse;
using limbeck::attention_mse_options;
using limbeck::divisor;
using limbeck::explicit_mapping;
using limbeck::mask_mode;
using limbeck::uniform_mapping;
using limbeck_test::grid;
using limbeck_test::placement;
using limbeck_test::representation_case;
using limbeck_test::undefined;

static_assert(limbeck::loss_policy<attention_mse<>, limbeck::cpu_executor<>>);
static_assert(limbeck::loss_policy<attention_mse<explicit_mapping>, limbeck::cpu_executor<>, float, limbeck::bfloat16>);
static_assert(attention_mse{}.reads == signal::scores);
static_assert(attention_mse{uniform_mapping{}, {.of = attention_map::probabilities}}.reads == signal::probabilities);

// Three samples of 5, 3 and 4 tokens, two heads.
template <class A = double, class U = A>
representation_case<A, U> three_samples(std::size_t student_layers = 1, std::size_t teacher_layers = 1) {
  representation_case<A, U> c{signal::scores, {{0, 5, 5}, {0, 3, 3}, {0, 4, 4}}, {}, {}};
  for (unsigned i = 0; i < student_layers; ++i) c.student.emplace_back(3, 2, 5, 5, 1 + i);
  for (unsigned i = 0; i < teacher_layers; ++i) c.teacher.emplace_back(3, 2, 5, 5, 11 + i);
  return c;
}

// 1 where a query row and a key count; [samples, 1, length, length].
oracle::array pair_mask_of(const representation_case<>& c) {
  std::vector<limbeck::index> rows, keys;
  for (const auto& s : c.sizes) {
    rows.push_back(c.mask == mask_mode::exact ? s.keys : s.length);
    keys.push_back(s.keys);
  }
  const limbeck::index length = c.student[0].rows;
  const oracle::array pairs = oracle::valid(rows, length) * oracle::swapped(oracle::valid(keys, length));
  return c.causal ? oracle::array(pairs * oracle::lower_triangle(length)) : pairs;
}

// Holds layer 0 to the reference.
void check(const representation_case<>& c, attention_mse_options options = {}) {
  options.mask = c.mask;
  options.over = divisor::none;
  const attention_mse loss{uniform_mapping{}, options};
  const auto got = c(loss);
  const auto want = oracle::squared_error(oracle::of(c.student[0]), oracle::of(c.teacher[0]), pair_mask_of(c), 2);
  CHECK(oracle::distance(got.value, want.value) < 1e-12);
  CHECK(oracle::distance(got.gradient[0].data, want.gradient) < 1e-12);
  CHECK(got.untouched);
}

// Maps of `groups` heads, each the mean of as many of `maps` that lie side by side.
grid mean_of_groups(const grid& maps, limbeck::index groups) {
  const limbeck::index size = maps.heads / groups;
  grid mean(maps.samples, groups, maps.rows, maps.columns);
  for (limbeck::index b = 0; b < maps.samples; ++b)
    for (limbeck::index h = 0; h < maps.heads; ++h)
      for (limbeck::index r = 0; r < maps.rows; ++r)
        for (limbeck::index c = 0; c < maps.columns; ++c)
          mean(b, h / size, r, c) += maps(b, h, r, c) / static_cast<double>(size);
  return mean;
}

}  // namespace

TEST_CASE("attention_mse of one head and two tokens agrees with a calculation by hand") {
  representation_case<> c{signal::scores, {{0, 2, 2}}, {{1, 1, 2, 2}}, {{1, 1, 2, 2}}};
  c.student[0].data = {1, 2, 3, 4};
  c.teacher[0].data = {0, 2, 5, 4.5};
  c.per.pairs = 4;
  const auto got = c(attention_mse{});
  CHECK(got.value == std::vector<double>{(1 + 4 + 0.25) / 4});
  CHECK(got.gradient[0].data == std::vector<double>{0.5, 0, -1, -0.25});
}

TEST_CASE("attention_mse agrees with the reference, for scores and probabilities, causal or not") {
  for (const bool causal : {false, true}) {
    auto c = three_samples();
    c.causal = causal;
    check(c);
    c.kind = signal::probabilities;
    check(c, {.of = attention_map::probabilities});
  }
}

TEST_CASE("the gradient of attention_mse is the slope of its value") {
  limbeck_test::check_gradients("attention_mse", [](limbeck_test::draws& random) {
    const bool zeroing = random.once_in(3), means = random.once_in(3), of_scores = random.once_in(2);
    const limbeck::index heads = random.between(1, 4), teacher_heads = means ? random.between(1, 4) : heads;
    const auto layers = std::size_t(random.between(1, 2)), teacher_layers = std::size_t(random.between(1, 3));
    auto c = random_layers(random, of_scores ? signal::scores : signal::probabilities, heads, teacher_heads, layers,
                           teacher_layers, random.once_in(20) ? 18 : 5);
    if (zeroing) {
      c.mask = mask_mode::tinybert_zeroing;
      c.causal = false;
      for (auto* side : {&c.student, &c.teacher})  // far from -100, where it jumps
        for (double& x : (*side)[0].data)
          if (random.once_in(8)) x = -1e4;
    }
    return gradient_of(c, attention_mse{draw_mapping(random, layers, teacher_layers),
                                        {.of = of_scores ? attention_map::scores : attention_map::probabilities,
                                         .mask = c.mask,
                                         .heads = means ? limbeck::head_match::mean : limbeck::head_match::same}});
  });
}

TEST_CASE("attention_mse has the same bits wherever maps lie, and reads and writes nothing around them") {
  for (const bool causal : {false, true}) {
    auto c = three_samples();
    c.causal = causal;
    c.sizes[0].keys = 4;  // the last row does not count
    check(c);
    const auto packed = c(attention_mse{});
    for (const placement mine : {placement{.padded = true}, placement{.before = 3, .after = 1, .wider = 2}})
      for (const placement theirs : {placement{}, placement{.wider = 3, .padded = true}}) {
        c.place = mine;
        c.teacher_place = theirs;
        const auto got = c(attention_mse{});
        CHECK(got.value == packed.value);
        CHECK(got.gradient[0].data == packed.gradient[0].data);
        CHECK(got.untouched);
      }
  }
}

TEST_CASE("attention_mse to the mean of a block has the gradients of the mean of its losses") {
  auto c = three_samples(2, 5);
  auto means = c;
  means.teacher = {mean_of(std::span(c.teacher).first(3)), mean_of(std::span(c.teacher).last(2))};
  std::vector<double> constant;  // of the student: the teacher's variance within its blocks
  for (const double shift : {0.0, 0.75}) {
    for (std::size_t m = 0; m < 2; ++m)
      for (double& x : c.student[m].data) x += shift;
    means.student = c.student;
    const auto losses = c(attention_mse{limbeck::block_mapping{}});
    const auto targets = means(attention_mse{limbeck::first_mapping{}});
    for (const std::size_t m : {0U, 1U})
      CHECK(limbeck_test::largest_gap(targets.gradient[m].data, losses.gradient[m].data) < 1e-13);
    constant.push_back(losses.total() - targets.total());
  }
  CHECK(constant[0] > 1);
  CHECK(constant[1] == Approx(constant[0]).epsilon(1e-12));
}

TEST_CASE("attention_mse with tinybert_zeroing keeps padded rows, and zeroes each side by itself") {
  auto c = three_samples();
  c.mask = mask_mode::tinybert_zeroing;
  c.sizes = {{0, 5, 3}, {0, 3, 3}, {0, 4, 0}};
  check(c);
  c.place = {.before = 1, .wider = 1};
  check(c);

  c.sizes[2] = {0, 4, 4};
  const auto before = c;
  for (grid* side : {&c.student[0], &c.teacher[0]}) {
    (*side)(0, 0, 1, 2) = -1e4;  // on both sides
    (*side)(1, 1, 0, 0) = -100;  // the limit counts as well
  }
  c.student[0](0, 1, 4, 0) = -1e4;  // on one side alone
  c.teacher[0](2, 0, 1, 1) = -std::numeric_limits<double>::infinity();
  c.teacher[0](2, 0, 1, 2) = -99.5;
  const attention_mse loss{uniform_mapping{}, {.mask = mask_mode::tinybert_zeroing}};
  const auto got = c(loss);
  const oracle::array s = oracle::of(c.student[0]);
  auto want = oracle::squared_error(oracle::zeroed(s), oracle::zeroed(oracle::of(c.teacher[0])), pair_mask_of(c), 2);
  want.gradient = xt::eval(xt::where(s <= -100, 0.0, want.gradient));
  CHECK(oracle::distance(got.value, want.value) < 1e-11);
  CHECK(oracle::distance(got.gradient[0].data, want.gradient) < 1e-11);
  CHECK(got.untouched);
  CHECK(got.gradient[0](2, 0, 1, 1) == before.student[0](2, 0, 1, 1));  // 2 (s - 0) / 2 heads
  CHECK(std::signbit(got.gradient[0](0, 1, 4, 0)) == false);
}

TEST_CASE("attention_mse of different numbers of heads is that of means of heads") {
  const limbeck::index heads[][3] = {{4, 2, 2}, {2, 6, 2}, {3, 1, 1}, {3, 2, 1}};  // student, teacher, compared
  for (const auto& h : heads)
    for (const mask_mode mask : {mask_mode::exact, mask_mode::tinybert_zeroing}) {
      auto c = three_samples();
      c.student = {{3, h[0], 5, 5, 1}};
      c.teacher = {{3, h[1], 5, 5, 2}};
      c.place = {.before = 1, .wider = 2};
      c.causal = mask == mask_mode::exact;
      c.mask = mask;
      if (!c.causal) c.sizes[0].keys = 3;
      auto averaged = c;
      averaged.student = {mean_of_groups(c.student[0], h[2])};
      averaged.teacher = {mean_of_groups(c.teacher[0], h[2])};
      const attention_mse loss{uniform_mapping{}, {.mask = mask, .heads = limbeck::head_match::mean}};
      const auto got = c(loss, 2), want = averaged(attention_mse{uniform_mapping{}, {.mask = mask}});
      CHECK(got.untouched);
      for (std::size_t i = 0; i < 3; ++i) CHECK(got.value[i] == Approx(want.value[i]).epsilon(1e-12));
    }
  representation_case<> c{signal::scores, {{0, 35, 35}}, {{1, 2, 35, 35, 1}}, {{1, 1, 35, 35, 2}}};
  const attention_mse loss{uniform_mapping{}, {.heads = limbeck::head_match::mean}};
  c.student[0] = mean_of_groups(c.student[0], 1);
  c.teacher[0] = c.student[0];
  CHECK(c(loss).value[0] == 0);
}

TEST_CASE("attention_mse takes a teacher in any type, and long rows at every level") {
  const auto check_type = [](auto stored) {
    for (const limbeck::simd_level level :
         {limbeck::simd_level::baseline, limbeck::simd_level::avx2, limbeck::simd_level::avx512}) {
      if (level > limbeck::best_simd_level()) continue;
      const limbeck::forced_simd_level forced(level);
      representation_case<float, decltype(stored)> c{
          signal::scores, {{0, 37, 37}}, {{1, 1, 37, 37, 1}}, {{1, 1, 37, 37, 2}}};
      for (double& x : c.teacher[0].data)
        x = static_cast<double>(static_cast<float>(static_cast<limbeck::bfloat16>(x)));
      c.causal = true;
      const auto got = c(attention_mse{});
      const auto want =
          oracle::squared_error(oracle::of(c.student[0]), oracle::of(c.teacher[0]), oracle::lower_triangle(37), 1);
      CHECK(oracle::distance(got.value, want.value) < 1e-6 * want.value(0));
      CHECK(oracle::distance(got.gradient[0].data, want.gradient) < 1e-6);
      CHECK(got.untouched);
    }
  };
  check_type(float{});
  check_type(double{});
  check_type(limbeck::bfloat16{});
}

TEST_CASE("attention_mse divides by the caller's count, and weighs samples and the whole") {
  auto c = three_samples();
  const auto plain = c(attention_mse{});
  c.per = {.samples = 2, .rows = 3, .tokens = 4, .pairs = 8, .elements = 16};
  const auto share = [&](divisor over) {
    return c(attention_mse{uniform_mapping{}, {.over = over}}).value[1] / plain.value[1];
  };
  CHECK(share(divisor::none) == 1);
  CHECK(share(divisor::samples) == Approx(1 / 2.0));
  CHECK(share(divisor::rows) == Approx(1 / 3.0));
  CHECK(share(divisor::tokens) == Approx(1 / 4.0));
  CHECK(share(divisor::pairs) == Approx(1 / 8.0));
  CHECK(share(divisor::elements) == Approx(1 / 16.0));

  c.per = {};
  c.weight = {0.5, 0, 2};
  c.scale = 4;
  for (grid* side : {&c.student[0], &c.teacher[0]})
    for (limbeck::index i = 0; i < 5; ++i) (*side)(1, 0, i, 0) = undefined;  // of the sample that does not count
  const auto got = c(attention_mse{});
  CHECK(got.value == std::vector<double>{2 * plain.value[0], 0, 8 * plain.value[2]});
  CHECK(got.gradient[0](0, 1, 2, 3) == Approx(2 * plain.gradient[0](0, 1, 2, 3)));
  CHECK(got.gradient[0](1, 0, 1, 0) == 0);
  CHECK(got.gradient[0](2, 1, 2, 3) == Approx(8 * plain.gradient[0](2, 1, 2, 3)));
}

TEST_CASE("attention_mse adds to what is there, and does without a gradient") {
  auto c = three_samples();
  const auto plain = c(attention_mse{});
  c.start = 3;
  const auto got = c(attention_mse{});
  CHECK(got.value[2] == Approx(3 + plain.value[2]));
  CHECK(got.gradient[0](2, 1, 3, 3) == Approx(3 + plain.gradient[0](2, 1, 3, 3)));
  c.gradient_wanted = false;
  CHECK(c(attention_mse{}).value == got.value);
}

TEST_CASE("attention_mse writes gradients of maps that may hold anything, zeros where nothing counts") {
  auto c = three_samples<float>(1, 2);
  c.sizes[2].keys = 2;
  c.weight = {1, 0, 2};
  for (const explicit_mapping& map : {explicit_mapping{{{0, 1}}}, explicit_mapping{{{0, 0}, {0, 1}}}})
    for (const auto heads : {limbeck::head_match::same, limbeck::head_match::mean})
      for (const bool causal : {false, true}) {
        auto other = c;
        other.causal = causal;
        if (heads == limbeck::head_match::mean)
          for (grid& layer : other.teacher) layer = grid(3, 4, 5, 5, 21);
        other.start = 0;
        const auto want = other(attention_mse{map, {.heads = heads}});
        other.start = 7;
        const attention_mse fresh{map, {.heads = heads, .maps = limbeck::gradient_holds::anything}};
        for (const placement where : {placement{}, placement{0, 0, 3, true}}) {
          other.place = where;
          for (const int threads : {1, 2}) {
            const auto got = other(fresh, threads);
            CHECK(got.gradient[0].data == want.gradient[0].data);
            CHECK(got.cleared);
          }
        }
        other.place = {2, 1, 0, false};
        CHECK_FALSE(other(fresh).cleared);  // what is no map is left alone
        other.gradient_wanted = false;
        CHECK(other(fresh).untouched);
      }
}

TEST_CASE("attention_mse writes gradients that are too large for caches past them, with the same bits") {
  representation_case<float> c{signal::scores, {}, {{3, 6, 257, 257, 1}}, {{3, 6, 257, 257, 2}}};  // 4.8 MB, odd sides
  c.sizes = {{0, 257, 257}, {0, 257, 33}, {0, 257, 130}};
  const auto want = c(attention_mse{});
  c.start = 7;
  const attention_mse fresh{uniform_mapping{}, {.maps = limbeck::gradient_holds::anything}};
  for (const int threads : {1, 2}) {
    const auto got = c(fresh, threads);
    CHECK(got.gradient[0].data == want.gradient[0].data);
    CHECK(got.cleared);
  }
}

TEST_CASE("attention_mse adds up the layers that its mapping pairs, each with its weight") {
  const auto c = three_samples(2, 3);
  const attention_mse loss{explicit_mapping{{{0, 2, 0.25}, {0, 1, 0.75}, {1, 2, 2}}}};
  const auto got = c(loss);
  oracle::array value = xt::zeros<double>({3});
  std::vector<oracle::array> gradient(2, oracle::array(xt::zeros<double>({3, 2, 5, 5})));
  for (const auto& p : loss.map.pairs) {
    const auto one =
        oracle::squared_error(oracle::of(c.student[p.student]), oracle::of(c.teacher[p.teacher]), pair_mask_of(c), 2);
    value += p.weight * one.value;
    gradient[p.student] += p.weight * one.gradient;
  }
  CHECK(oracle::distance(got.value, value) < 1e-12);
  for (const std::size_t layer : {0U, 1U}) CHECK(oracle::distance(got.gradient[layer].data, gradient[layer]) < 1e-12);
  // Uniform: student layers 0 and 1 learn from teacher layers 1 and 2.
  CHECK(c(attention_mse{}).value == c(attention_mse{explicit_mapping{{{0, 1}, {1, 2}}}}).value);
}

TEST_CASE("attention_mse of a student that is the teacher is exactly 0") {
  auto c = three_samples();
  c.teacher = c.student;
  const auto got = c(attention_mse{});
  CHECK(got.value == std::vector<double>(3, 0));
  CHECK(got.gradient[0].data == std::vector<double>(150, 0));
}

TEST_CASE("attention_mse of micro-batches adds up to that of the whole batch, for any number of threads") {
  auto c = three_samples<float>(2, 2);
  const limbeck::view<const limbeck::sample_rows, 1> rows(c.sizes.data(), 3);
  c.per = limbeck::counts_of(rows);
  CHECK(c.per.pairs == 25 + 9 + 16);
  CHECK(c.per.tokens == 12);
  CHECK(limbeck::counts_of(rows, true).pairs == 15 + 6 + 10);
  const auto whole = c(attention_mse{});
  const auto threaded = c(attention_mse{}, 3);
  CHECK(threaded.value == whole.value);
  for (limbeck::index b = 0; b < 3; ++b) {
    auto part = c;
    const auto first = static_cast<std::size_t>(b);
    part.sizes = {c.sizes[first]};
    const auto cut = [&](std::vector<grid>& layers) {
      for (grid& g : layers) {
        grid one(1, 2, 5, 5);
        std::copy_n(g.data.begin() + b * 50, 50, one.data.begin());
        g = one;
      }
    };
    cut(part.student);
    cut(part.teacher);
    const auto got = part(attention_mse{});
    CHECK(got.value[0] == whole.value[first]);
    for (const std::size_t layer : {0U, 1U}) {
      CHECK(threaded.gradient[layer].data == whole.gradient[layer].data);
      CHECK(std::equal(got.gradient[layer].data.begin(), got.gradient[layer].data.end(),
                       whole.gradient[layer].data.begin() + b * 50));
    }
  }
}

TEST_CASE("counts_of with tinybert_zeroing counts every stored pair") {
  const std::vector<limbeck::sample_rows> sizes{{0, 5, 3}, {5, 3, 0}};
  const limbeck::view<const limbeck::sample_rows, 1> rows(sizes.data(), 2);
  CHECK(limbeck::counts_of(rows).pairs == 9);
  CHECK(limbeck::counts_of(rows).tokens == 3);
  CHECK(limbeck::counts_of(rows, false, mask_mode::tinybert_zeroing).pairs == 34);
  CHECK(limbeck::counts_of(rows, false, mask_mode::tinybert_zeroing).tokens == 8);
}

TEST_CASE("attention_mse of nothing is nothing") {
  auto c = three_samples();
  c.sizes = {{0, 0, 0}, {0, 3, 0}, {0, 0, 0}};
  CHECK(c(attention_mse{}).value == std::vector<double>{0, 0, 0});
  c.sizes = {};
  c.student = c.teacher = {grid(0, 2, 0, 0)};
  CHECK(c(attention_mse{}).total() == 0);
}

TEST_CASE("attention_mse says what does not fit, before it does anything") {
  auto c = three_samples(2, 2);
  CHECK_THROWS_WITH(c(attention_mse{explicit_mapping{{{0, 1}, {1, 2}}}}),
                    "explicit_mapping: teacher layer 2 of 2 layers (they count from 0)");
  CHECK_THROWS_WITH(c(attention_mse{uniform_mapping{}, {.of = attention_map::probabilities}}),
                    "uniform_mapping: needs a layer on both sides, student 0, teacher 0");
  c.weight = {1, 1};
  CHECK_THROWS_WITH(c(attention_mse{}), "attention_mse: 3 samples of the student, 2 of the weights");

  const std::vector<limbeck::sample_rows> two{{0, 2, 2}, {2, 1, 1}}, other{{0, 2, 2}, {2, 2, 2}},
      fewer{{0, 2, 1}, {2, 1, 1}};
  const std::vector<limbeck::block> blocks{{0, 2}, {48, 1}};
  const std::vector<double> numbers(64, 1);
  double value[2] = {};
  const auto call = [&](const std::vector<limbeck::sample_rows>& teacher_rows, limbeck::index heads) {
    const auto make = [&](const std::vector<limbeck::sample_rows>& rows, limbeck::index second_layer_heads) {
      limbeck::signals<const double> s;
      s.rows = limbeck::view<const limbeck::sample_rows, 1>(rows.data(), rows.size());
      s.scores = limbeck::per_layer<limbeck::square_blocks<const double>>(2);
      for (const std::size_t layer : {0U, 1U})
        s.scores[layer] = {numbers.data(), layer == 0 ? 12 : second_layer_heads,
                           limbeck::view<const limbeck::block, 1>(blocks.data(), 2)};
      return s;
    };
    attention_mse{}(limbeck::cpu_executor<>{}, make(two, 12), make(teacher_rows, heads), limbeck::targets<double>{},
                    limbeck::sink<double, limbeck::cpu>{limbeck::view<double, 1>(value, 2)});
  };
  CHECK_THROWS_WITH(call(two, 16), "attention_mse: 12 heads of the student, 16 of the teacher");
  CHECK_THROWS_WITH(call(other, 12), "attention_mse: sample 1 has 1 tokens in the student, 2 in the teacher");
  CHECK_THROWS_WITH(call(fewer, 12), "attention_mse: sample 0 has 2 keys in the student, 1 in the teacher");
  CHECK_THROWS_WITH(call({two[0]}, 12), "attention_mse: 2 samples of the student, 1 of the teacher");
  CHECK_NOTHROW(call(two, 12));
}
