// Standardised logits against their formula in long double and central differences.
#include "limbeck/losses/standardised_mse.hpp"

#include <cmath>

#include "catch.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/logit_case.hpp"
#include "simd_levels.hpp"

namespace limbeck {
namespace {

using limbeck_test::logit_case;
using limbeck_test::random_numbers;

static_assert(loss_policy<standardised_logits_mse, cpu_executor<>>);

template <class A>
logit_case<A> random_case(index rows, index classes, unsigned seed) {
  const auto size = static_cast<std::size_t>(rows * classes);
  return {rows, classes, random_numbers<A>(size, -3, 7, seed), random_numbers<A>(size, -2, 2, seed + 1)};
}

/// A row with mean 0 and variance 1.
template <class A>
std::vector<long double> standardised(const std::vector<A>& logits, index row, index classes) {
  std::vector<long double> z(logits.begin() + row * classes, logits.begin() + (row + 1) * classes);
  long double mean = 0, square = 0;
  for (const long double x : z) mean += x / static_cast<long double>(classes);
  for (const long double x : z) square += (x - mean) * (x - mean) / static_cast<long double>(classes);
  for (long double& x : z) x = square == 0 ? 0 : (x - mean) / std::sqrt(square);
  return z;
}

}  // namespace

TEST_CASE("standardised_logits_mse is its formula, for few classes and many") {
  for (const auto level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    for (const index classes : {2, 5, 33, 130, 1001}) {
      const auto check = [&](const auto& c, double tolerance) {
        const auto got = c(standardised_logits_mse{});
        for (index r = 0; r < c.rows; ++r) {
          const auto s = standardised(c.student, r, classes), t = standardised(c.teacher, r, classes);
          long double want = 0;
          for (std::size_t i = 0; i < s.size(); ++i) want += (s[i] - t[i]) * (s[i] - t[i]);
          INFO(classes << " classes, " << name_of(level));
          CHECK(static_cast<double>(got.value[static_cast<std::size_t>(r)]) ==
                Approx(static_cast<double>(want)).epsilon(tolerance).margin(tolerance));
        }
      };
      check(random_case<double>(19, classes, 1), 1e-12);
      check(random_case<float>(19, classes, 1), 2e-5);
    }
  }
}

TEST_CASE("the gradient of standardised_logits_mse is the slope of its value") {
  limbeck_test::check_gradients("standardised_logits_mse", [](limbeck_test::draws& random) {
    auto c = random_rows(random);
    for (index r = 0; r < c.rows; ++r) c.student[std::size_t(r * c.columns)] += 8;  // equal logits have no direction
    return gradient_of(c, standardised_logits_mse{});
  });
}

TEST_CASE("standardised_logits_mse does not feel a shift or a stretch, and gives rows of equal logits no gradient") {
  auto c = random_case<double>(4, 9, 3);
  const auto before = c(standardised_logits_mse{});
  for (double& z : c.teacher) z = 3 * z - 5;
  const auto after = c(standardised_logits_mse{});
  for (std::size_t i = 0; i < 4; ++i) CHECK(after.value[i] == Approx(before.value[i]).epsilon(1e-12));
  for (std::size_t i = 0; i < 9; ++i) c.student[i] = 2;
  const auto flat = c(standardised_logits_mse{});
  CHECK(flat.value[0] == Approx(9).epsilon(1e-12));  // the teacher's own variance
  for (std::size_t i = 0; i < 9; ++i) CHECK(flat.gradient[i] == 0);
}

}  // namespace limbeck
