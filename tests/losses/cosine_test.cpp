// The cosine distance of hidden states: values, gradients, layouts, rows without a direction.
#include "limbeck/losses/cosine.hpp"

#include <cmath>

#include "catch.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "losses/gradient_sweep.hpp"
#include "simd_levels.hpp"

namespace limbeck {
namespace {

using limbeck_test::grid;
using limbeck_test::placement;
using limbeck_test::representation_case;

static_assert(loss_policy<cosine_loss<>, cpu_executor<>>);
static_assert(loss_policy<cosine_loss<>, cpu_executor<>, bfloat16, float, float>);
static_assert(cosine_loss{}.reads == signal::hidden);

// Samples of up to `longest` tokens, one layer a side.
template <class A = double>
representation_case<A> cosine_case_of(const std::vector<index>& lengths, index longest, index width, unsigned seed) {
  const auto samples = static_cast<index>(lengths.size());
  representation_case<A> c{
      signal::hidden, {}, {{samples, 1, longest, width, seed}}, {{samples, 1, longest, width, seed + 1}}};
  for (const index length : lengths) c.sizes.push_back({0, length, length});
  return c;
}

// 1 - cos of token `row`, as a textbook has it; 1 where a side is 0.
double cosine_written_out(const grid& s, const grid& t, index sample, index row) {
  long double ss = 0, st = 0, tt = 0;
  for (index i = 0; i < s.columns; ++i) {
    const long double mine = s(sample, 0, row, i), theirs = t(sample, 0, row, i);
    ss += mine * mine, st += mine * theirs, tt += theirs * theirs;
  }
  return static_cast<double>(ss == 0 || tt == 0 ? 1 : 1 - st / std::sqrt(ss * tt));
}

template <class A>
void check_cosine_values(const representation_case<A>& c, double tolerance) {
  const auto got = c(cosine_loss{});
  for (std::size_t i = 0; i < c.sizes.size(); ++i) {
    double want = 0;
    for (index r = 0; r < c.sizes[i].keys; ++r)
      want += cosine_written_out(c.student[0], c.teacher[0], static_cast<index>(i), r);
    CHECK(static_cast<double>(got.value[i]) == Approx(want).epsilon(tolerance));
  }
}

}  // namespace

TEST_CASE("cosine_loss of two tokens agrees with a calculation by hand") {
  auto c = cosine_case_of({2}, 2, 2, 1);
  c.student[0].data = {3, 4, 0, 2};
  c.teacher[0].data = {1, 0, 5, 0};
  c.per.tokens = 2;
  const auto got = c(cosine_loss{});
  CHECK(got.value[0] == Approx((0.4 + 1) / 2));
  // -(t / |t| - cos s / |s|) / |s| / 2
  const double want[] = {-(1 - 0.6 * 0.6) / 10, 0.6 * 0.8 / 10, -0.25, 0};
  for (std::size_t i = 0; i < 4; ++i) CHECK(got.gradient[0].data[i] == Approx(want[i]).margin(1e-15));
}

TEST_CASE("cosine_loss agrees with the textbook at every level, for all widths of a row's end") {
  for (const auto level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    for (const index width : {1, 2, 7, 16, 31, 33, 48, 312}) {
      INFO("width " << width << ", " << name_of(level));
      auto c = cosine_case_of({3, 1, 2}, 3, width, static_cast<unsigned>(width));
      check_cosine_values(c, 1e-13);
      auto narrow = cosine_case_of<float>({3, 1, 2}, 3, width, static_cast<unsigned>(width));
      for (auto* side : {&narrow.student[0], &narrow.teacher[0]})
        for (double& x : side->data) x = static_cast<double>(static_cast<float>(x));
      check_cosine_values(narrow, 2e-6);
    }
  }
}

TEST_CASE("the gradient of cosine_loss is the slope of its value, for projections too") {
  limbeck_test::check_gradients("cosine_loss", [](limbeck_test::draws& random) {
    const mask_mode mask = random.pick({mask_mode::exact, mask_mode::tinybert_zeroing});
    return gradient_of_states(random, mask, [=](const auto& map, const auto& p) {
      return cosine_loss{map, p, {.mask = mask}};
    });
  });
  limbeck_test::check_gradients("cosine_loss of nearly one direction", [](limbeck_test::draws& random) {
    const index width = random.between(2, 20);
    auto c = random_layers(random, signal::hidden, width, width);
    for (std::size_t i = 0; i < c.student[0].data.size(); ++i)
      c.student[0].data[i] = 2 * c.teacher[0].data[i] + 0.1 * c.student[0].data[i];
    return gradient_of(c, cosine_loss{});
  });
}

TEST_CASE("cosine_loss keeps its digits where directions nearly agree, and is exactly 0 where they do") {
  auto c = cosine_case_of<float>({2, 3}, 3, 40, 7);
  for (auto* side : {&c.student[0], &c.teacher[0]})
    for (double& x : side->data) x = static_cast<double>(static_cast<float>(x));
  auto near = c;
  for (std::size_t i = 0; i < near.student[0].data.size(); ++i)
    near.student[0].data[i] = static_cast<double>(
        static_cast<float>(3 * c.teacher[0].data[i] * (1 + 1e-3 * std::sin(static_cast<double>(i)))));
  check_cosine_values(near, 1e-3);  // 1 - cos is about 1e-7
  for (const double factor : {1.0, 4.0}) {
    auto same = c;
    for (std::size_t i = 0; i < c.student[0].data.size(); ++i) same.student[0].data[i] = factor * c.teacher[0].data[i];
    const auto got = same(cosine_loss{});
    CHECK(got.value == std::vector<float>{0, 0});
    CHECK(got.gradient[0].data == std::vector<double>(got.gradient[0].data.size(), 0));
  }
}

TEST_CASE("cosine_loss of states of zeros is 1, without a gradient, and a NaN is not hidden") {
  auto c = cosine_case_of({3}, 3, 5, 3);
  std::fill_n(c.student[0].data.begin(), 5, 0.0);
  std::fill_n(c.teacher[0].data.begin() + 5, 5, 0.0);
  const auto got = c(cosine_loss{});
  CHECK(got.value[0] == Approx(2 + cosine_written_out(c.student[0], c.teacher[0], 0, 2)));
  for (std::size_t i = 0; i < 10; ++i) CHECK(got.gradient[0].data[i] == 0);
  CHECK(got.gradient[0].data[10] != 0);
  c.teacher[0].data[1] = std::nan("");
  CHECK(std::isnan(c(cosine_loss{}).value[0]));
}

TEST_CASE("cosine_loss finds each model's rows where that model has them, and reads and writes nothing around them") {
  auto c = cosine_case_of({4, 1, 3}, 4, 9, 5);
  c.sizes[2].keys = 2;  // a padded row takes part under tinybert_zeroing alone
  for (const mask_mode mask : {mask_mode::exact, mask_mode::tinybert_zeroing}) {
    c.mask = mask;
    const cosine_loss loss{uniform_mapping{}, no_projection{}, {.mask = mask}};
    c.place = c.teacher_place = {};
    const auto packed = c(loss);
    for (const placement place : {placement{.padded = true}, placement{.before = 2, .after = 1, .wider = 3}}) {
      c.place = place;
      c.teacher_place = {.before = 1, .wider = 1, .padded = true};
      const auto got = c(loss);
      CHECK(got.value == packed.value);
      CHECK(got.gradient[0].data == packed.gradient[0].data);
      CHECK(got.untouched);
    }
  }
}

TEST_CASE("cosine_loss has the same bits for any number of threads, and skips samples of weight 0") {
  auto c = cosine_case_of<float>({4, 1, 3, 2, 4}, 4, 33, 9);
  c.weight = {1, 0.5F, 2, 1, 3};
  const auto one = c(cosine_loss{}, 1), two = c(cosine_loss{}, 2);
  CHECK(two.value == one.value);
  CHECK(two.gradient[0].data == one.gradient[0].data);
  c.weight[1] = 0;
  c.student[0](1, 0, 0, 4) = c.teacher[0](1, 0, 0, 2) = std::nan("");
  const auto fewer = c(cosine_loss{});
  CHECK(fewer.value == std::vector<float>{one.value[0], 0, one.value[2], one.value[3], one.value[4]});
  for (index i = 0; i < 33; ++i) CHECK(fewer.gradient[0](1, 0, 0, i) == 0);
}

TEST_CASE("cosine_loss adds up its mapping's pairs, through a projection, and adds to what is there") {
  auto c = cosine_case_of({2, 1}, 2, 3, 11);
  c.student.emplace_back(2, 1, 2, 3, 21);
  c.teacher = {{2, 1, 2, 5, 31}, {2, 1, 2, 5, 32}};
  c.start = 1;
  limbeck_test::matrix<> weight(5, 3, 41), weight_gradient(5, 3);
  const linear_projection<double> fixed{weight.seen(), {}, {}, {}},
      learned{weight.seen(), {}, weight_gradient.all(), {}};
  const auto loss_of = [&](std::vector<layer_pair> pairs, const linear_projection<double>& p) {
    return cosine_loss{explicit_mapping{std::move(pairs), true}, p};
  };
  const auto both = c(loss_of({{0, 1, 0.25}, {1, 0, 3}}, learned));
  const auto first = c(loss_of({{0, 1, 0.25}}, fixed)), second = c(loss_of({{1, 0, 3}}, fixed));
  for (std::size_t i = 0; i < 2; ++i) CHECK(both.value[i] == Approx(first.value[i] + second.value[i] - 1));
  CHECK(both.gradient[0].data == first.gradient[0].data);
  CHECK(both.gradient[1].data == second.gradient[1].data);
}

TEST_CASE("cosine_loss writes gradients of states that may hold anything") {
  const cosine_options fresh{.states = gradient_holds::anything};
  auto c = cosine_case_of<float>({4, 1, 3}, 4, 21, 3);
  c.weight = {1, 0, 2};
  std::fill_n(c.teacher[0].data.begin(), 21, 0.0);  // no direction
  const auto want = c(cosine_loss{});
  c.start = 7;
  const auto got = c(cosine_loss{uniform_mapping{}, no_projection{}, fresh});
  CHECK(got.gradient[0].data == want.gradient[0].data);
  for (std::size_t i = 0; i < 3; ++i) CHECK(got.value[i] == Approx(want.value[i] + 7));
  CHECK(got.untouched);
  // Two teachers of one layer: the second is added.
  c.teacher.emplace_back(3, 1, 4, 21, 9);
  const explicit_mapping twice{{{0, 0}, {0, 1}}};
  const auto both = c(cosine_loss{twice, no_projection{}, fresh});
  c.start = 0;
  CHECK(both.gradient[0].data == c(cosine_loss{twice}).gradient[0].data);
  // Through a projection, and with rows of a sample that do not count.
  limbeck_test::matrix<float> weight(5, 21, 41);
  const linear_projection<float> projection{weight.seen(), {}, {}, {}};
  c.teacher = {{3, 1, 4, 5, 31}};
  c.sizes[2].keys = 1;
  const auto projected = c(cosine_loss{uniform_mapping{}, projection});
  c.start = 7;
  const auto written = c(cosine_loss{uniform_mapping{}, projection, fresh});
  CHECK(written.gradient[0].data == projected.gradient[0].data);
  CHECK(written.cleared);
}

TEST_CASE("cosine_loss writes gradients that are too large for caches past them, with the same bits") {
  auto c = cosine_case_of<float>(std::vector<index>(9, 128), 128, 1020, 3);  // 4.7 MB, with an end of a row
  const auto want = c(cosine_loss{});
  c.start = 7;
  const cosine_loss fresh{uniform_mapping{}, no_projection{}, {.states = gradient_holds::anything}};
  for (const int threads : {1, 2}) CHECK(c(fresh, threads).gradient[0].data == want.gradient[0].data);
}

TEST_CASE("cosine_loss reads what is stored in 16 bits") {
  representation_case<float, bfloat16> c{signal::hidden, {{0, 2, 2}}, {{1, 1, 2, 21, 1}}, {{1, 1, 2, 21, 2}}};
  for (double& x : c.teacher[0].data) x = static_cast<double>(static_cast<float>(static_cast<bfloat16>(x)));
  representation_case<float> wide{signal::hidden, c.sizes, c.student, c.teacher};
  CHECK(c(cosine_loss{}).value == wide(cosine_loss{}).value);
  CHECK(c(cosine_loss{}).gradient[0].data == wide(cosine_loss{}).gradient[0].data);
}

TEST_CASE("cosine_loss says what does not fit, before it does anything") {
  auto c = cosine_case_of({2, 1}, 2, 3, 1);
  c.teacher[0] = grid(2, 1, 2, 5, 2);
  CHECK_THROWS_WITH(c(cosine_loss{}), "cosine_loss: the student is 3 wide, the teacher 5; give it a linear_projection");
  c.weight = {1};
  CHECK_THROWS_WITH(c(cosine_loss{}), "cosine_loss: 2 samples of the student, 1 of the weights");
  c.weight = {};
  CHECK_THROWS_WITH(c(cosine_loss{explicit_mapping{{{0, 4}}}}),
                    "explicit_mapping: teacher layer 4 of 1 layers (they count from 0)");
  CHECK_NOTHROW(cosine_case_of({0, 2}, 2, 3, 1)(cosine_loss{}));
}

}  // namespace limbeck
