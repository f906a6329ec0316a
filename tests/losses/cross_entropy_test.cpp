// Cross-entropy with hard labels.
#include "limbeck/losses/cross_entropy.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "catch.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/logit_case.hpp"
#include "losses/oracle.hpp"
#include "simd_levels.hpp"

namespace {

namespace oracle = limbeck_test::oracle;
using limbeck::cross_entropy;
using limbeck::simd_level;
using limbeck_test::logit_case;
using limbeck_test::random_numbers;

static_assert(limbeck::loss_policy<cross_entropy, limbeck::cpu_executor<>>);
static_assert(limbeck::loss_policy<cross_entropy, limbeck::cpu_executor<>, limbeck::bfloat16, float, float>);

template <class A>
logit_case<A> labelled_case(limbeck::index rows, limbeck::index classes) {
  const auto size = static_cast<std::size_t>(rows * classes);
  logit_case<A> c{rows, classes, random_numbers<A>(size, -4, 4, 3), std::vector<A>(size, A(0))};
  for (limbeck::index i = 0; i < rows; ++i) c.labels.push_back(static_cast<std::int32_t>((i * 7) % classes));
  return c;
}

template <class A>
void check_labelled(limbeck::index classes, double smoothing, double tolerance) {
  const auto c = labelled_case<A>(37, classes);
  const auto columns = static_cast<std::size_t>(classes);
  const oracle::array z = oracle::of(c.student, 37, columns), target = oracle::smoothed(c.labels, columns, smoothing);
  const auto got = c(cross_entropy{.label_smoothing = smoothing});
  INFO(classes << " classes, smoothing " << smoothing);
  CHECK(oracle::relative_distance(got.value, oracle::cross_entropy(z, target)) < tolerance);
  CHECK(oracle::relative_distance(got.gradient, oracle::cross_entropy_gradient(z, target)) < tolerance);
}

}  // namespace

TEST_CASE("cross_entropy of two classes agrees with a calculation by hand") {
  logit_case<double> c{1, 2, {std::log(3.0), 0}, {0, 0}};
  c.labels = {1};
  const auto got = c(cross_entropy{});
  CHECK(got.value[0] == Approx(std::log(4.0)).epsilon(1e-14));
  CHECK(got.gradient[0] == Approx(0.75).epsilon(1e-14));
  CHECK(got.gradient[1] == Approx(-0.75).epsilon(1e-14));
}

TEST_CASE("cross_entropy agrees with the float64 reference at every level") {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    for (const limbeck::index classes : {2, 5, 7, 16, 63, 65, 130, 1003})
      for (const double smoothing : {0.0, 0.1, 1.0}) {
        check_labelled<double>(classes, smoothing, 1e-13);
        check_labelled<float>(classes, smoothing, 1e-6);
      }
  }
}

TEST_CASE("the gradient of cross_entropy is the slope of its value") {
  limbeck_test::check_gradients("cross_entropy", [](limbeck_test::draws& random) {
    const cross_entropy loss{.label_smoothing = random.share()};
    return gradient_of(random_rows(random), loss);
  });
}

TEST_CASE("cross_entropy skips rows without a label or a weight, whatever stands there") {
  for (const limbeck::index classes : {3, 200}) {
    const auto c = labelled_case<float>(4, classes);
    const auto whole = c(cross_entropy{});
    auto masked = c;
    masked.labels[1] = -100;
    masked.row_weight = {1, 1, 0, 1};
    masked.labels[2] = 12345;  // of a row that does not count
    const float nothing = std::numeric_limits<float>::quiet_NaN();
    for (limbeck::index i = classes; i < 3 * classes; ++i) masked.student[static_cast<std::size_t>(i)] = nothing;
    const auto got = masked(cross_entropy{});
    CHECK(got.value == std::vector<float>{whole.value[0], 0, 0, whole.value[3]});
    for (limbeck::index i = 0; i < 4 * classes; ++i) {
      const limbeck::index row = i / classes;
      CHECK(got.gradient[static_cast<std::size_t>(i)] ==
            (row == 1 || row == 2 ? 0 : whole.gradient[static_cast<std::size_t>(i)]));
    }
  }
}

TEST_CASE("cross_entropy of huge logits and of classes that are ruled out is finite") {
  logit_case<float> c{2, 4, {1e4F, -1e4F, 0, 1e4F, 0, 1, -std::numeric_limits<float>::infinity(), -1e4F}, {}};
  c.teacher = c.student;
  c.labels = {1, 1};
  const auto got = c(cross_entropy{});
  CHECK(got.value[0] == Approx(20000 + std::log(2.0)));  // two classes share the top
  CHECK(got.value[1] == Approx(std::log(1 + std::exp(-1.0))));
  CHECK(got.gradient[6] == 0);
  CHECK(std::all_of(got.gradient.begin(), got.gradient.end(), [](float g) { return std::isfinite(g); }));
}

TEST_CASE("cross_entropy has the same bits for any number of threads") {
  for (const limbeck::index classes : {2, 9, 500}) {
    auto c = labelled_case<float>(classes < 50 ? 20000 : 100, classes);
    for (limbeck::index i = 0; i < c.rows; ++i) c.row_sample.push_back(static_cast<std::int32_t>(i / 3));
    const auto whole = c(cross_entropy{.label_smoothing = 0.1});
    for (const int threads : {2, 3, 7}) {
      const auto got = c(cross_entropy{.label_smoothing = 0.1}, threads);
      CHECK(got.value == whole.value);
      CHECK(got.gradient == whole.gradient);
    }
  }
}

TEST_CASE("cross_entropy says what does not fit") {
  using Catch::Matchers::Contains;
  auto c = labelled_case<float>(4, 3);
  CHECK_THROWS_WITH(c(cross_entropy{.label_smoothing = 1.5}), Contains("label_smoothing 1.5"));
  c.labels[2] = 3;
  CHECK_THROWS_WITH(c(cross_entropy{}),
                    "cross_entropy labels: row 2 has label 3, there are 3 classes and -100 is ignored");
  c.labels = {0, 1};
  CHECK_THROWS_WITH(c(cross_entropy{}), "cross_entropy labels: 2 for 4 rows");
}
