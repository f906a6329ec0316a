// Relational distillation by distances and angles: values, gradients, what is left out of a batch.
#include "limbeck/losses/relational.hpp"

#include <cmath>

#include "catch.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/vector_case.hpp"
#include "simd_levels.hpp"

namespace limbeck {
namespace {

using limbeck_test::grid;
using limbeck_test::representation_case;
using limbeck_test::vector_batch_case;
using limbeck_test::vectors_that_count;
using relational_vectors = std::vector<std::vector<long double>>;

static_assert(loss_policy<relational_distance, cpu_executor<>>);
static_assert(loss_policy<relational_angle, cpu_executor<>, bfloat16, float, float>);
static_assert(relational_distance::of_batch && relational_angle::of_batch);
static_assert(relational_distance{}.reads == signal::hidden);

long double relational_huber(long double x) { return std::fabs(x) <= 1 ? x * x / 2 : std::fabs(x) - 0.5L; }

std::vector<long double> from_to(const std::vector<long double>& a, const std::vector<long double>& b) {
  std::vector<long double> d;
  for (std::size_t i = 0; i < a.size(); ++i) d.push_back(b[i] - a[i]);
  return d;
}
// [i][j]: distances over the mean of those that are not 0.
relational_vectors distances_of(const relational_vectors& v) {
  relational_vectors d(v.size(), std::vector<long double>(v.size()));
  long double sum = 0, apart = 0;
  for (std::size_t i = 0; i < v.size(); ++i)
    for (std::size_t j = 0; j < v.size(); ++j) {
      const auto gap = from_to(v[i], v[j]);
      d[i][j] = std::sqrt(limbeck_test::product(gap, gap));
      sum += d[i][j];
      apart += d[i][j] != 0;
    }
  for (auto& row : d)
    for (auto& x : row) x *= apart == 0 ? 0 : apart / sum;
  return d;
}
// Row i: what Huber's loss is taken of, for each j.
relational_vectors distance_gaps(const relational_vectors& s, const relational_vectors& t) {
  auto gaps = distances_of(s);
  const auto theirs = distances_of(t);
  for (std::size_t i = 0; i < s.size(); ++i)
    for (std::size_t j = 0; j < s.size(); ++j) gaps[i][j] -= theirs[i][j];
  return gaps;
}
// Row i: the same for each j and k.
relational_vectors angle_gaps(const relational_vectors& s, const relational_vectors& t) {
  relational_vectors gaps(s.size());
  for (std::size_t i = 0; i < s.size(); ++i)
    for (std::size_t j = 0; j < s.size(); ++j)
      for (std::size_t k = 0; k < s.size(); ++k)
        gaps[i].push_back(limbeck_test::cosine(from_to(s[i], s[j]), from_to(s[i], s[k])) -
                          limbeck_test::cosine(from_to(t[i], t[j]), from_to(t[i], t[k])));
  return gaps;
}
// The middle of the widest interval without a gap's size in it: Huber's slope has a kink there.
double between_gaps(const relational_vectors& gaps) {
  std::vector<long double> sizes;
  for (const auto& row : gaps)
    for (const long double gap : row) sizes.push_back(std::fabs(gap));
  std::sort(sizes.begin(), sizes.end());
  long double widest = 0, middle = 1;
  for (std::size_t i = 1; i < sizes.size(); ++i)
    if (sizes[i] - sizes[i - 1] > widest) {
      widest = sizes[i] - sizes[i - 1];
      middle = sizes[i] - widest / 2;
    }
  return static_cast<double>(middle);
}

template <class A, class Loss, class Gaps>
void check_relation(const representation_case<A>& c, const Loss& loss, const Gaps& gaps, double tolerance) {
  std::vector<long double> want;  // the mean of each row
  for (const auto& row : gaps(vectors_that_count(c, c.student[0]), vectors_that_count(c, c.teacher[0]))) {
    want.push_back(0);
    for (const long double gap : row) want.back() += relational_huber(gap) / static_cast<long double>(row.size());
  }
  const auto got = c(loss);
  std::size_t live = 0;
  for (std::size_t i = 0; i < c.sizes.size(); ++i) {
    const double weight = c.weight.empty() ? 1 : static_cast<double>(c.weight[i]);
    if (weight == 0)
      CHECK(got.value[i] == 0);
    else
      CHECK(static_cast<double>(got.value[i]) ==
            Approx(weight * static_cast<double>(want[live++])).epsilon(tolerance).margin(tolerance * 1e-2));
  }
}

}  // namespace

TEST_CASE("relational_distance of three points on a line agrees with a calculation by hand") {
  auto c = vector_batch_case(3, 1, 1, 1);
  c.student[0].data = {0, 1, 3};  // distances 1, 3, 2: mean 2
  c.teacher[0].data = {0, 2, 4};  // 2, 4, 2: mean 8 / 3
  c.per.samples = 3;
  const auto got = c(relational_distance{});
  const double gaps[] = {0.5 - 0.75, 1.5 - 1.5, 1 - 0.75};  // of 01, 02, 12
  CHECK(got.value[0] == Approx((gaps[0] * gaps[0] + gaps[1] * gaps[1]) / 2 / 9));
  CHECK(got.value[1] == Approx((gaps[0] * gaps[0] + gaps[2] * gaps[2]) / 2 / 9));
  CHECK(got.value[2] == Approx((gaps[1] * gaps[1] + gaps[2] * gaps[2]) / 2 / 9));
}

TEST_CASE("relational_angle of a right angle that the student straightens agrees with a calculation by hand") {
  auto c = vector_batch_case(3, 1, 2, 1);
  c.student[0].data = {0, -1, 1};          // at 0 the cosine is -1
  c.teacher[0].data = {0, 0, 1, 0, 0, 1};  // 0
  const auto got = c(relational_angle{});
  CHECK(got.value[0] == Approx(2 * 0.5 / 9));
  const double gap = 1 - std::sqrt(0.5);
  for (const std::size_t i : {1U, 2U}) CHECK(got.value[i] == Approx(gap * gap / 9));
}

namespace {

/// The loss's gradients in float and in double are one, at every level: of numbers that a float holds.
template <class Loss>
void check_float_gradient(const representation_case<float>& narrow, const Loss& loss, double tolerance) {
  representation_case<double> c{narrow.kind, narrow.sizes, narrow.student, narrow.teacher};
  for (auto* side : {&c.student, &c.teacher})
    for (double& x : side->at(0).data) x = static_cast<float>(x);
  const std::vector<double> want = c(loss).gradient[0].data;
  const double size = std::sqrt(std::inner_product(want.begin(), want.end(), want.begin(), 0.0));
  for (const auto level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    INFO(name_of(level));
    const auto in_float = narrow(loss).gradient[0].data;
    const auto in_double = c(loss).gradient[0].data;
    double gap = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      gap += std::pow(in_float[i] - want[i], 2);
      CHECK(in_double[i] == Approx(want[i]).epsilon(1e-10).margin(1e-12 * size));
    }
    CHECK(std::sqrt(gap) <= tolerance * size);
  }
}

}  // namespace

TEST_CASE("relations have the same gradients in float and in double, at every level") {
  for (const auto& [samples, width] : {std::pair<index, index>{9, 40}, {17, 33}, {4, 3}}) {
    const auto c = vector_batch_case<float>(samples, width, 7, static_cast<unsigned>(width));
    check_float_gradient(c, relational_distance{}, 1e-6);
    check_float_gradient(c, relational_angle{}, 1e-6);
  }
}

TEST_CASE("relations agree with the textbook at every level, whatever the widths, with and without weights") {
  for (const auto level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    for (const auto& [samples, width] : {std::pair<index, index>{2, 3}, {5, 17}, {9, 40}}) {
      INFO(samples << " samples, width " << width << ", " << name_of(level));
      auto c = vector_batch_case(samples, width, 7, static_cast<unsigned>(width));
      check_relation(c, relational_distance{}, distance_gaps, 1e-12);
      check_relation(c, relational_angle{}, angle_gaps, 1e-12);
      c.weight.assign(static_cast<std::size_t>(samples), 0.5);
      c.weight[1] = 0;
      c.student[0](1, 0, 0, 1) = c.teacher[0](1, 0, 0, 2) = std::nan("");
      check_relation(c, relational_distance{}, distance_gaps, 1e-12);
      check_relation(c, relational_angle{}, angle_gaps, 1e-12);
      const auto narrow = vector_batch_case<float>(samples, width, 7, static_cast<unsigned>(width));
      check_relation(narrow, relational_distance{}, distance_gaps, 3e-5);
      check_relation(narrow, relational_angle{}, angle_gaps, 3e-5);
    }
  }
}

TEST_CASE("the gradients of relations between samples are slopes of their values") {
  const auto swept = [](const auto& gaps, auto loss) {
    return [=](limbeck_test::draws& random) mutable {
      auto c = random_vectors(random, false);
      loss.of.by = static_cast<token_pooling>(random.between(0, 1));
      loss.delta = 100;  // beyond every gap
      if (random.once_in(2)) {
        for (sample_rows& s : c.sizes) s = {0, 1, 1};
        loss.delta = between_gaps(gaps(vectors_that_count(c, c.student[0]), vectors_that_count(c, c.teacher[0])));
      }
      return gradient_of(c, loss);
    };
  };
  limbeck_test::check_gradients("relational_distance", swept(distance_gaps, relational_distance{}));
  limbeck_test::check_gradients("relational_angle", swept(angle_gaps, relational_angle{}));
}

TEST_CASE("relations of one sample are 0, and vectors that are one have no distance, without a gradient between them") {
  const auto one = vector_batch_case(1, 3, 4, 1);
  for (const auto& got : {one(relational_distance{}), one(relational_angle{})}) {
    CHECK(got.value[0] == 0);
    CHECK(got.gradient[0].data == std::vector<double>(3, 0));
  }
  auto c = vector_batch_case(3, 2, 2, 1);
  c.student[0].data = {1, 2, 1, 2, 5, 2};
  check_relation(c, relational_distance{}, distance_gaps, 1e-12);
  check_relation(c, relational_angle{}, angle_gaps, 1e-12);
  for (const auto& got : {c(relational_distance{}), c(relational_angle{})})
    for (const double x : got.gradient[0].data) CHECK(std::isfinite(x));
  c.student[0].data.assign(6, 3);  // all are one
  const auto got = c(relational_distance{});
  CHECK(got.total() > 0);
  CHECK(got.gradient[0].data == std::vector<double>(6, 0));
}

TEST_CASE("angles to vectors that nearly are one keep their digits") {
  auto c = vector_batch_case<float>(6, 20, 12, 3);
  for (auto* side : {&c.student, &c.teacher})
    for (index i = 0; i < side->at(0).columns; ++i) {
      auto& x = side->at(0);
      for (index b = 0; b < 6; ++b) x(b, 0, 0, i) += 100;  // far from zero
      x(4, 0, 0, i) = x(1, 0, 0, i) + (i % 3 == 0 ? 1e-3 : i % 3 == 1 ? -2e-3 : 5e-4);
      for (index b = 0; b < 6; ++b) x(b, 0, 0, i) = static_cast<float>(x(b, 0, 0, i));
    }
  check_relation(c, relational_angle{}, angle_gaps, 1e-5);
  check_float_gradient(c, relational_angle{}, 1e-6);
}

TEST_CASE("relations have the same bits for any number of threads, and read nothing around a batch") {
  auto c = vector_batch_case<float>(40, 130, 70, 1);
  const auto check_threads = [&](const auto& loss) {
    const auto one = c(loss, 1), three = c(loss, 3);
    CHECK(three.value == one.value);
    CHECK(three.gradient[0].data == one.gradient[0].data);
  };
  check_threads(relational_distance{});
  check_threads(relational_angle{});
  auto few = vector_batch_case(4, 3, 3, 1);
  const auto packed = few(relational_angle{});
  few.place = {.before = 2, .after = 1, .wider = 3};
  few.teacher_place = {.before = 1, .wider = 2};
  const auto placed = few(relational_angle{});
  CHECK(placed.value == packed.value);
  CHECK(placed.gradient[0].data == packed.gradient[0].data);
  CHECK(placed.untouched);
}

TEST_CASE("a sample's vector is its first token or the mean of its valid ones, of the layer that is named") {
  auto c = vector_batch_case(3, 4, 4, 1);
  auto tokens = c;
  for (auto* side : {&tokens.student, &tokens.teacher}) {
    const grid vectors = side->at(0);
    *side = {grid(3, 1, 3, 4), grid(3, 1, 3, 4)};  // of the last layer: (v, v + 1, v - 1); of the first: (0, v, 0)
    for (index b = 0; b < 3; ++b)
      for (index i = 0; i < 4; ++i) {
        for (index r = 0; r < 3; ++r) side->at(1)(b, 0, r, i) = vectors(b, 0, 0, i) + (r == 0 ? 0 : r == 1 ? 1 : -1);
        side->at(0)(b, 0, 0, i) = 3 * vectors(b, 0, 0, i);
      }
  }
  for (auto& size : tokens.sizes) size = {0, 3, 3};
  const auto want = c(relational_distance{});
  CHECK(tokens(relational_distance{}).value == want.value);
  const auto mean = tokens(relational_distance{.of = {token_pooling::mean_of_tokens}});
  const auto of_first = tokens(relational_distance{.of = {token_pooling::mean_of_tokens, 0, 0}});
  const auto crossed = tokens(relational_distance{.of = {token_pooling::first_token, 1, 0}});
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(mean.value[i] == Approx(want.value[i]).epsilon(1e-12));
    CHECK(of_first.value[i] == Approx(want.value[i]).epsilon(1e-12));
    CHECK(crossed.value[i] == Approx(want.value[i]).epsilon(1e-12));
  }
  for (index r = 0; r < 3; ++r)
    CHECK(mean.gradient[1](1, 0, r, 2) == Approx(want.gradient[0](1, 0, 0, 2) / 3).epsilon(1e-10));
  CHECK(mean.gradient[0].data == std::vector<double>(36, 0));
  tokens.sizes[1].keys = 0;  // no vector
  CHECK(tokens(relational_distance{}).value[1] == 0);
}

TEST_CASE("relations say what does not fit") {
  auto c = vector_batch_case(2, 3, 4, 1);
  CHECK_THROWS_WITH(c(relational_distance{.delta = 0}), "relational_distance: delta 0.000000, must be positive");
  CHECK_THROWS_WITH(c(relational_angle{.delta = -1}), "relational_angle: delta -1.000000, must be positive");
  CHECK_THROWS_WITH(c(relational_distance{.of = {token_pooling::first_token, 3, 0}}),
                    "relational_distance: the student's pass kept 1 layers, layer 3 is wanted");
  c.weight = {1};
  CHECK_THROWS_WITH(c(relational_angle{}), "relational_angle: 2 samples of the student, 1 of the weights");
}

}  // namespace limbeck
