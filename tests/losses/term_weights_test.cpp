// Weights of terms that are learned: by uncertainty, by GradNorm.
#include "limbeck/losses/term_weights.hpp"

#include <cmath>

#include "catch.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/logit_case.hpp"

namespace limbeck {
namespace {

using limbeck_test::logit_case;
using limbeck_test::random_logits;

constexpr soft_target_kl taught{.temperature = 2};
constexpr cross_entropy told{};

logit_case<double> labelled_rows() {
  auto c = random_logits<double>(5, 4, 2, 8);
  c.labels = {1, 0, 3, 2, 2};
  c.per = {.samples = 5, .rows = 5};
  c.sample_weight = {1, 2, 0, 1, 0.5};
  c.scale = 0.7;
  return c;
}

}  // namespace

TEST_CASE("uncertainty_weighted: values by hand") {
  const auto c = labelled_rows();
  const std::vector<double> s{0.3, -0.8};
  const auto got = c(uncertainty_weighted(view<const double, 1>(s.data(), 2), view<double, 1>(), told, taught));
  const auto task = c(told).value, teacher = c(taught).value;
  for (std::size_t i = 0; i < 5; ++i)
    CHECK(got.value[i] == Approx(std::exp(-s[0]) / 2 * task[i] + std::exp(-s[1]) / 2 * teacher[i] +
                                 0.7 * c.sample_weight[i] * (s[0] + s[1]) / 2 / 5));
}

TEST_CASE("uncertainty_weighted: gradients are slopes of values, for logits and variances") {
  limbeck_test::check_gradients("uncertainty_weighted", [](limbeck_test::draws& random) {
    auto c = random_rows(random);
    std::vector<double> at = random.numbers(2, -1, 1);
    at.insert(at.end(), c.student.begin(), c.student.end());
    const auto loss = [c](const std::vector<double>& x, std::vector<double>* gradient) mutable {
      c.student.assign(x.begin() + 2, x.end());
      std::vector<double> slopes(2);
      auto got =
          c(uncertainty_weighted(view<const double, 1>(x.data(), 2), view<double, 1>(slopes.data(), 2), told, taught));
      slopes.insert(slopes.end(), got.gradient.begin(), got.gradient.end());
      if (gradient != nullptr) *gradient = slopes;
      return got.total();
    };
    return limbeck_test::gradient_case{at, loss};
  });
}

TEST_CASE("uncertainty_weighted: a split of the batch gives the same gradient of the variances") {
  const auto c = labelled_rows();
  std::vector<double> s{0.3, -0.8}, whole(2, 0), parts(2, 0);
  const auto run = [&](const logit_case<double>& batch, std::vector<double>& into) {
    (void)batch(
        uncertainty_weighted(view<const double, 1>(s.data(), 2), view<double, 1>(into.data(), 2), told, taught));
  };
  run(c, whole);
  for (const std::size_t first : {std::size_t{0}, std::size_t{2}}) {
    const std::size_t end = first == 0 ? 2 : 5;
    auto part = c;
    const auto cut = [&](auto& all, std::size_t width) {
      all = {all.begin() + static_cast<std::ptrdiff_t>(first * width),
             all.begin() + static_cast<std::ptrdiff_t>(end * width)};
    };
    part.rows = static_cast<index>(end - first);
    cut(part.student, 4);
    cut(part.teacher, 4);
    cut(part.labels, 1);
    cut(part.sample_weight, 1);
    run(part, parts);
  }
  for (std::size_t k = 0; k < 2; ++k) CHECK(parts[k] == Approx(whole[k]).epsilon(1e-13));
  CHECK_THROWS_WITH(c(uncertainty_weighted(view<const double, 1>(s.data(), 1), view<double, 1>(), told, taught)),
                    "uncertainty_weighted: 1 variances and 0 gradients of 2 terms");
}

TEST_CASE("grad_norm_update: a term that has learned less gains weight, and weights sum to their number") {
  const std::vector<double> norms{1, 1}, first{2, 2}, losses{2, 1};
  std::vector<double> weights{1, 1};
  const auto update = [&](double strength) {
    grad_norm_update(view<const double, 1>(norms.data(), 2), view<const double, 1>(losses.data(), 2),
                     view<const double, 1>(first.data(), 2), strength, 0.1, view<double, 1>(weights.data(), 2));
  };
  update(1);  // targets 4/3 and 2/3: the first norm is too small, the second too large
  CHECK(weights[0] == Approx(1.1));
  CHECK(weights[1] == Approx(0.9));
  weights = {1, 1};
  update(0);  // equal norms are what is wanted
  CHECK(weights == std::vector<double>{1, 1});
  weights[0] = 0;
  CHECK_THROWS_WITH(update(1), Catch::Matchers::StartsWith("grad_norm_update: term 0 has the first loss "));
}

}  // namespace limbeck
