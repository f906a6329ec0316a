// Squared distances of class scores, and of a regressor's outputs from their targets.
#include "limbeck/losses/logits_mse.hpp"

#include <cmath>
#include <limits>

#include "catch.hpp"
#include "limbeck/losses/regression_mse.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/logit_case.hpp"
#include "simd_levels.hpp"

namespace {

using limbeck::logits_mse;
using limbeck::regression_mse;
using limbeck::simd_level;
using limbeck_test::logit_case;
using limbeck_test::random_numbers;

static_assert(limbeck::loss_policy<logits_mse, limbeck::cpu_executor<>>);
static_assert(limbeck::loss_policy<regression_mse, limbeck::cpu_executor<>>);

}  // namespace

TEST_CASE("logits_mse sums over the classes and divides by what it is told") {
  logit_case<double> c{2, 3, {1, 2, 3, 0, 0, 0}, {0, 0, 0, 1, 1, -1}};
  const auto sums = c(logits_mse{.over = limbeck::divisor::none});
  CHECK(sums.value == std::vector<double>{14, 3});
  CHECK(sums.gradient == std::vector<double>{2, 4, 6, -2, -2, 2});
  c.per = {.samples = 1, .rows = 2, .tokens = 1, .pairs = 1, .elements = 6};
  CHECK(c(logits_mse{}).total() == Approx(17.0 / 6));
  CHECK(c(logits_mse{.over = limbeck::divisor::rows}).total() == Approx(17.0 / 2));
  const auto halved = c(logits_mse{.temperature = 2});
  CHECK(halved.total() == Approx(17.0 / 24));
  CHECK(halved.gradient[2] == Approx(2 * 3 / 4.0 / 6));
}

TEST_CASE("logits_mse agrees at every level, for few classes and many") {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    for (const limbeck::index classes : {1, 2, 3, 7, 64, 333}) {
      const auto size = static_cast<std::size_t>(37 * classes);
      const logit_case<float> c{37, classes, random_numbers<float>(size, -3, 3, 1),
                                random_numbers<float>(size, -3, 3, 2)};
      const auto got = c(logits_mse{}, 2);
      for (std::size_t row = 0; row < 37; ++row) {
        double sum = 0;
        for (std::size_t i = row * size / 37; i < (row + 1) * size / 37; ++i) {
          const double d = static_cast<double>(c.student[i]) - static_cast<double>(c.teacher[i]);
          sum += d * d;
          CHECK(got.gradient[i] == Approx(2 * d).epsilon(1e-6));
        }
        CHECK(got.value[row] == Approx(sum).epsilon(1e-6));
      }
    }
  }
}

TEST_CASE("the gradients of logits_mse and regression_mse are slopes of their values") {
  limbeck_test::check_gradients("logits_mse", [](limbeck_test::draws& random) {
    const logits_mse loss{.temperature = random.number(0.5, 3), .teacher_scale = random.number(0.2, 1)};
    return gradient_of(random_rows(random), loss);
  });
  limbeck_test::check_gradients("regression_mse", [](limbeck_test::draws& random) {
    const limbeck::index rows = draw_rows(random);
    auto c = random_rows(random, rows, 1);
    c.valid_classes = 1;
    return gradient_of(c, regression_mse{});
  });
}

TEST_CASE("logits_mse skips masked rows, and classes that both models rule out") {
  const float infinity = std::numeric_limits<float>::infinity(), nothing = std::numeric_limits<float>::quiet_NaN();
  logit_case<float> c{2, 2, {1, -infinity, nothing, infinity}, {0, -infinity, 1, 1}};
  c.row_weight = {1, 0};
  const auto got = c(logits_mse{});
  CHECK(got.value == std::vector<float>{1, 0});
  CHECK(got.gradient == std::vector<float>{2, 0, 0, 0});
}

TEST_CASE("logits_mse does not hide a NaN") {
  const logit_case<float> c{1, 2, {std::numeric_limits<float>::quiet_NaN(), 0}, {0, 0}};
  CHECK(std::isnan(c(logits_mse{}).value[0]));
}

TEST_CASE("regression_mse compares outputs with scores") {
  logit_case<double> c{3, 1, {1, 2, 3}, {0, 0, 0}};
  c.scores = {1, 2.5, 1};
  c.per.rows = 3;
  const auto got = c(regression_mse{});
  CHECK(got.total() == Approx(4.25 / 3));
  CHECK(got.gradient[1] == Approx(-1.0 / 3));
  CHECK(got.gradient[2] == Approx(4.0 / 3));
  c.row_weight = {1, 1, 0};
  CHECK(c(regression_mse{}).total() == Approx(0.25 / 3));
}

TEST_CASE("regression_mse and logits_mse say what does not fit") {
  logit_case<double> c{2, 2, {1, 2, 3, 4}, {0, 0, 0, 0}};
  c.scores = {1, 2};
  CHECK_THROWS_WITH(c(regression_mse{}),
                    "regression_mse: outputs [2, 2], scores [2]; one output for each score is wanted");
  c.teacher_columns = 1;
  CHECK_THROWS_WITH(c(logits_mse{}), "logits_mse logits: student [2, 2], teacher [2, 1]");
  CHECK_THROWS_AS(c(logits_mse{.temperature = 0}), limbeck::contract_error);
}
