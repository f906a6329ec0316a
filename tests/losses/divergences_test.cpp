// Every divergence against its textbook formula, on all instruction sets and layouts: values, gradients, near-equal
// rows, classes that are ruled out, limits of the parameters, and what is refused.
#include "limbeck/losses/divergences.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "catch.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "losses/every_divergence.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/logit_case.hpp"
#include "losses/textbook.hpp"
#include "simd_levels.hpp"

// Each stands for one formula or one branch of it.
#define LIMBECK_TEST_DIVERGENCES                                                                                    \
  textbook::forward_kl, textbook::soft_label_cross_entropy, textbook::reverse_kl, textbook::jensen_shannon<50>,     \
      textbook::jensen_shannon<10>, textbook::jensen_shannon<90>, textbook::scaled_jensen_shannon<20>,              \
      textbook::skew_kl<10>, textbook::skew_reverse_kl<10>, textbook::total_variation, textbook::squared_hellinger, \
      (textbook::alpha_beta<50, 50>), (textbook::alpha_beta<20, 70>), (textbook::alpha_beta<100, 60>)

namespace {

namespace textbook = limbeck_test::textbook;
using limbeck::soft_target;
using limbeck_test::logit_case;
using limbeck_test::random_logits;
using textbook::row_of;

template <class D>
soft_target<D> loss_of(const D& divergence, double temperature = 1) {
  return {.temperature = temperature, .t_squared = false, .divergence = divergence};
}

// Values to `tolerance` of their size, gradients to that of the row's largest; and to `floor`: where one class has all
// but nothing left for the others, logarithms near -20 are known to some 1e-6, whatever they are multiplied with.
template <class Divergence, class A>
void check_rows(const logit_case<A>& c, double temperature, double tolerance, double floor = 0) {
  const auto got = c(loss_of(Divergence::policy(), temperature));
  for (limbeck::index r = 0; r < c.rows; ++r) {
    const auto want =
        textbook::of_row<Divergence>(row_of(c.student, r, c.columns), row_of(c.teacher, r, c.columns), temperature);
    INFO("temperature " << temperature);
    textbook::check_row(got, r, want, tolerance, floor);
  }
}

}  // namespace

TEMPLATE_TEST_CASE("a divergence is its textbook formula, for few classes and many", "", LIMBECK_TEST_DIVERGENCES) {
  for (const auto level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    unsigned seed = 1;
    for (const limbeck::index classes : {2, 5, 33, 130, 1100})
      for (const double spread : {0.5, 3.0, 12.0}) {
        const limbeck::index rows = classes < 100 ? 19 : 2;
        check_rows<TestType>(random_logits<double>(rows, classes, spread, seed++), 2, 2e-12, 1e-15);
        check_rows<TestType>(random_logits<float>(rows, classes, spread, seed++), 2, 1e-5, 6e-7);
      }
  }
}

TEMPLATE_TEST_CASE("a divergence keeps its digits where the rows nearly agree", "", LIMBECK_TEST_DIVERGENCES) {
  for (const limbeck::index classes : {3, 200})
    for (const double size : {1e-1, 1e-3, 1e-5}) {
      auto c = random_logits<float>(5, classes, 4, 7);
      for (std::size_t i = 0; i < c.student.size(); ++i)
        c.student[i] = c.teacher[i] + static_cast<float>(size * std::sin(static_cast<double>(i)));
      INFO("apart by " << size);
      check_rows<TestType>(c, 1, 2e-5);
    }
}

TEST_CASE("the gradient of every divergence is the slope of its value") {
  limbeck_test::for_each_divergence([](const std::string& name, const auto& made) {
    limbeck_test::check_gradients("soft_target of " + name, [&](limbeck_test::draws& random) {
      auto c = random_rows(random);
      const auto divergence = made(random);
      const double temperature = random.number(0.5, 4);
      if (name == "total_variation") keep_apart(random, c, textbook::log_ratios_at(temperature));
      return gradient_of(c, soft_target<std::remove_cv_t<decltype(divergence)>>{
                                .temperature = temperature, .t_squared = random.once_in(2), .divergence = divergence});
    });
  });
}

TEMPLATE_TEST_CASE("a class that student or teacher rules out leaves finite gradients", "", LIMBECK_TEST_DIVERGENCES) {
  constexpr float out = -std::numeric_limits<float>::infinity();
  for (const auto level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    for (const limbeck::index classes : {5, 150}) {
      auto c = random_logits<float>(3, classes, 3, 11);
      const auto n = static_cast<std::size_t>(classes);
      c.student[1] = out;                         // row 0: the student alone
      c.teacher[n + 2] = out;                     // row 1: the teacher alone
      c.student[2 * n] = c.teacher[2 * n] = out;  // row 2: both
      auto finite = c;                            // as far as exp in double: e^-600
      for (auto* logits : {&finite.student, &finite.teacher})
        for (float& z : *logits)
          if (z == out) z = -600;
      const auto got = c(loss_of(TestType::policy()));
      for (const float g : got.gradient) CHECK(std::isfinite(g));
      for (limbeck::index r = 0; r < 3; ++r) {
        const auto want =
            textbook::of_row<TestType>(row_of(finite.student, r, classes), row_of(finite.teacher, r, classes), 1);
        const float value = got.value[static_cast<std::size_t>(r)];
        CHECK((std::isinf(value) ? want.value > 10 : value == Approx(static_cast<double>(want.value)).epsilon(1e-5)));
      }
      CHECK(got.gradient[2 * n] == 0);
    }
  }
}

TEMPLATE_TEST_CASE("a NaN of either side is seen in the value", "", LIMBECK_TEST_DIVERGENCES) {
  for (const limbeck::index classes : {3, 150})
    for (const bool of_student : {true, false}) {
      auto c = random_logits<float>(1, classes, 1, 3);
      (of_student ? c.student : c.teacher)[1] = std::numeric_limits<float>::quiet_NaN();
      CHECK(std::isnan(c(loss_of(TestType::policy())).value[0]));
    }
}

TEST_CASE("divergences keep to their bounds: Jensen-Shannon, total variation, Hellinger, Pinsker") {
  const auto c = random_logits<double>(40, 9, 15, 5);
  const auto value = [&](const auto& divergence) { return c(loss_of(divergence)).value; };
  const auto kl = value(limbeck::forward_kl{}), tv = value(limbeck::total_variation{});
  const auto js = value(limbeck::jensen_shannon{.beta = 0.3}), hellinger = value(limbeck::squared_hellinger{});
  const double entropy = -0.3 * std::log(0.3) - 0.7 * std::log(0.7);
  for (std::size_t i = 0; i < kl.size(); ++i) {
    CHECK((js[i] >= 0 && js[i] <= entropy));
    CHECK((tv[i] >= 0 && tv[i] <= 1));
    CHECK((hellinger[i] >= 0 && hellinger[i] <= tv[i]));
    CHECK(kl[i] >= 2 * tv[i] * tv[i]);
  }
}

namespace {

template <class D, class E>
void check_same(const D& one, const E& other, double tolerance) {
  const auto c = random_logits<double>(4, 13, 3, 17);
  const auto a = c(loss_of(one)), b = c(loss_of(other));
  for (std::size_t i = 0; i < a.value.size(); ++i) CHECK(a.value[i] == Approx(b.value[i]).epsilon(tolerance));
  for (std::size_t i = 0; i < a.gradient.size(); ++i)
    CHECK(a.gradient[i] == Approx(b.gradient[i]).epsilon(tolerance).margin(tolerance));
}

}  // namespace

TEST_CASE("divergences with parameters have the KLs at the ends of their range") {
  using namespace limbeck;
  check_same(jensen_shannon{.beta = 0}, forward_kl{}, 1e-15);
  check_same(jensen_shannon{.beta = 1}, reverse_kl{}, 1e-15);
  check_same(scaled_jensen_shannon{.beta = 1e-7}, forward_kl{}, 1e-5);
  check_same(scaled_jensen_shannon{.beta = 1 - 1e-7}, reverse_kl{}, 1e-5);
  check_same(scaled_jensen_shannon{.beta = 0}, forward_kl{}, 1e-15);
  check_same(scaled_jensen_shannon{.beta = 1}, reverse_kl{}, 1e-15);
  check_same(skew_kl{.skew = 0}, forward_kl{}, 1e-15);
  check_same(skew_kl{.skew = 1e-8}, forward_kl{}, 1e-5);
  check_same(skew_reverse_kl{.skew = 0}, reverse_kl{}, 1e-15);
  check_same(skew_reverse_kl{.skew = 1e-8}, reverse_kl{}, 1e-5);
  check_same(alpha_beta{.alpha = 1, .beta = 0}, forward_kl{}, 1e-12);
  check_same(alpha_beta{.alpha = 1, .beta = 1e-7}, forward_kl{}, 1e-5);
  check_same(alpha_beta{.alpha = 0, .beta = 1}, reverse_kl{}, 1e-12);
  check_same(alpha_beta{.alpha = 1e-7, .beta = 1}, reverse_kl{}, 1e-5);
}

TEST_CASE("a divergence refuses parameters that it has no meaning for") {
  const auto c = random_logits<float>(1, 3, 1, 1);
  const auto refuses = [&](const auto& divergence, const std::string& said) {
    CHECK_THROWS_WITH(c(loss_of(divergence)), Catch::Matchers::Contains(said));
  };
  refuses(limbeck::jensen_shannon{.beta = 1.5}, "jensen_shannon: beta 1.5");
  refuses(limbeck::scaled_jensen_shannon{.beta = -0.5}, "scaled_jensen_shannon: beta -0.5");
  refuses(limbeck::skew_kl{.skew = 1}, "skew_kl: skew 1");
  refuses(limbeck::skew_reverse_kl{.skew = -1}, "skew_reverse_kl: skew -1");
  refuses(limbeck::alpha_beta{.alpha = 0, .beta = 0}, "alpha_beta: 0.000000 and 0.000000");
  refuses(limbeck::alpha_beta{.alpha = std::nan(""), .beta = 1}, "alpha_beta: nan and 1.0");
}

namespace {

/// The gaps of float's value and gradient from those of double, for the same logits: relative, and of the largest.
/// Where a class has all of the probability a gradient is the difference of numbers of the value's size.
template <class D>
void check_digits_in_float(const D& divergence, double spread, unsigned seed) {
  const logit_case<float> c = random_logits<float>(5, 37, spread, seed);
  const logit_case<double> wide{
      c.rows, c.columns, {c.student.begin(), c.student.end()}, {c.teacher.begin(), c.teacher.end()}};
  const soft_target<D> loss{.divergence = divergence};
  const auto got = c(loss);
  const auto want = wide(loss);
  for (std::size_t i = 0; i < got.value.size(); ++i) CHECK(std::abs(got.value[i] / want.value[i] - 1) < 2e-5);
  const double value = *std::max_element(want.value.begin(), want.value.end());
  double largest = 0, gap = 0;
  for (std::size_t i = 0; i < got.gradient.size(); ++i) {
    largest = std::max(largest, std::abs(want.gradient[i]));
    gap = std::max(gap, std::abs(static_cast<double>(got.gradient[i]) - want.gradient[i]));
  }
  CHECK(gap < 2e-5 * largest + 3e-7 * value);
}

}  // namespace

TEST_CASE("mixtures keep their digits in float where one share is tiny, rows near and far apart") {
  for (const double share : {1e-8, 1e-6, 1e-3, 0.03, 0.97, 0.999, 0.9999})
    for (const double spread : {0.05, 3.0, 60.0}) {
      INFO("share " << share << ", logits within " << spread);
      check_digits_in_float(limbeck::jensen_shannon{share}, spread, 3);
      check_digits_in_float(limbeck::scaled_jensen_shannon{share}, spread, 4);
      check_digits_in_float(limbeck::skew_kl{share}, spread, 5);
      check_digits_in_float(limbeck::skew_reverse_kl{share}, spread, 6);
    }
}
