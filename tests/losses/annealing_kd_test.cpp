// Annealing distillation against logits_mse with the teacher's logits made smaller by hand.
#include "limbeck/losses/annealing_kd.hpp"

#include "catch.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/logit_case.hpp"

namespace limbeck {
namespace {

using limbeck_test::logit_case;
using limbeck_test::random_numbers;

static_assert(loss_policy<annealing_kd, cpu_executor<>>);

}  // namespace

TEST_CASE("annealing_kd brings the teacher up from 1 / most_temperature to its full size") {
  const annealing_kd loss{.most_temperature = 4};
  const std::vector<std::pair<double, double>> temperatures{{0, 4}, {0.24, 4}, {0.25, 3}, {0.6, 2}, {0.75, 1}, {1, 1}};
  for (const auto& [progress, temperature] : temperatures) CHECK(loss.temperature(progress) == temperature);
  CHECK(annealing_scale(4, 4) == 0.25);
  CHECK(annealing_scale(1, 4) == 1);

  logit_case<double> c{3, 5, random_numbers<double>(15, -3, 3, 1), random_numbers<double>(15, -3, 3, 2)};
  c.progress = 0.3;  // temperature 3: half of the teacher
  const auto got = c(loss);
  for (double& z : c.teacher) z *= 0.5;
  const auto want = c(logits_mse{});
  CHECK(got.value == want.value);
  CHECK(got.gradient == want.gradient);
}

TEST_CASE("the gradient of annealing_kd is the slope of its value") {
  limbeck_test::check_gradients("annealing_kd", [](limbeck_test::draws& random) {
    const annealing_kd loss{.most_temperature = static_cast<double>(random.between(1, 12))};
    return gradient_of(random_rows(random), loss);
  });
}

TEST_CASE("annealing_kd refuses temperatures that are no whole numbers") {
  const logit_case<double> c{1, 2, {0, 1}, {1, 0}};
  CHECK_THROWS_WITH(c(annealing_kd{.most_temperature = 2.5}), Catch::Matchers::Contains("most_temperature 2.5"));
  CHECK_THROWS_WITH(c(annealing_kd{.most_temperature = 0}), Catch::Matchers::Contains("most_temperature 0"));
}

}  // namespace limbeck
