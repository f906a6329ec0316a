// Margins by hand, against plain loops and central differences, and lists of candidates compared by divergences.
#include "limbeck/losses/margin_mse.hpp"

#include <cmath>
#include <vector>

#include "catch.hpp"
#include "limbeck/core/half.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/losses/write_gradient.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/logit_case.hpp"
#include "simd_levels.hpp"

namespace limbeck {
namespace {

using limbeck_test::infinity, limbeck_test::logit_case, limbeck_test::random_logits, limbeck_test::undefined;

static_assert(loss_policy<margin_mse, cpu_executor<>>);
static_assert(loss_policy<margin_mse, cpu_executor<>, bfloat16, float16>);

/// A row by plain loops: the value, and the gradient of each candidate.
struct plain_margins {
  long double value = 0;
  std::vector<long double> gradient;

  template <class A>
  plain_margins(const logit_case<A>& c, index row, index relevant) : gradient(static_cast<std::size_t>(c.columns)) {
    const auto at = [&](const std::vector<A>& m, index k) -> long double {
      return m[static_cast<std::size_t>(row * c.columns + k)];
    };
    if (std::isinf(at(c.teacher, relevant))) return;
    std::vector<index> others;
    for (index k = 0; k < c.columns; ++k)
      if (k != relevant && !std::isinf(at(c.teacher, k))) others.push_back(k);
    for (const index k : others) {
      const long double share = 1.0L / static_cast<long double>(others.size());
      const long double d = at(c.student, relevant) - at(c.student, k) - (at(c.teacher, relevant) - at(c.teacher, k));
      value += share * d * d;
      gradient[static_cast<std::size_t>(relevant)] += 2 * share * d;
      gradient[static_cast<std::size_t>(k)] -= 2 * share * d;
    }
  }
};

}  // namespace

TEST_CASE("margin_mse by hand, with one other candidate and with two") {
  const auto one = logit_case<double>{1, 2, {3, 1}, {5, 4.5}}(margin_mse{});
  CHECK(one.value[0] == 2.25);  // 2 - 0.5
  CHECK(one.gradient == std::vector<double>{3, -3});
  const auto two = logit_case<double>{1, 3, {3, 1, 0}, {5, 4.5, 1}}(margin_mse{});
  CHECK(two.value[0] == (2.25 + 1) / 2);  // 2 - 0.5, 3 - 4
  CHECK(two.gradient == std::vector<double>{0.5, -1.5, 1});
}

TEST_CASE("margin_mse agrees with plain loops at every level, for few candidates and many, ruled out or not") {
  const auto check = [](auto c, unsigned seed, double tolerance) {
    c.per.rows = seed % 3 == 0 ? 1 : static_cast<double>(c.rows);
    for (index r = 0; r < c.rows && seed % 2 == 0; ++r)
      c.labels.push_back(static_cast<std::int32_t>((seed + 3 * static_cast<unsigned>(r)) % unsigned(c.columns)));
    for (std::size_t i = seed; i < c.teacher.size() && seed % 4 < 2; i += 5) c.teacher[i] = -infinity;
    const auto got = c(margin_mse{});
    for (index r = 0; r < c.rows; ++r) {
      const auto at = static_cast<std::size_t>(r), columns = static_cast<std::size_t>(c.columns);
      const plain_margins want(c, r, c.labels.empty() ? 0 : c.labels[at]);
      INFO("row " << r << ", seed " << seed << ", [" << c.rows << ", " << c.columns << "]");
      const double per = c.per.rows;
      CHECK(static_cast<double>(got.value[at]) ==
            Approx(static_cast<double>(want.value) / per).epsilon(tolerance).margin(tolerance));
      for (std::size_t k = 0; k < columns; ++k)
        CHECK(static_cast<double>(got.gradient[at * columns + k]) ==
              Approx(static_cast<double>(want.gradient[k]) / per).epsilon(tolerance).margin(tolerance));
    }
  };
  for (const auto level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    INFO(name_of(level));
    for (unsigned seed = 1; seed <= 24; ++seed) {
      const index rows = 1 + seed % 19, columns = seed % 5 == 4 ? 130 + seed : 2 + seed % 41;
      check(random_logits<double>(rows, columns, 3, seed), seed, 1e-13);
      check(random_logits<float>(rows, columns, 3, seed), seed, 3e-6);
    }
  }
}

TEST_CASE("the gradient of margin_mse is the slope of its value") {
  limbeck_test::check_gradients("margin_mse", [](limbeck_test::draws& random) {
    auto c = random_rows(random);
    if (random.once_in(2)) c.labels.clear();
    for (double& z : c.teacher)
      if (random.once_in(8)) z = -limbeck_test::infinity;  // no candidate
    return gradient_of(c, margin_mse{});
  });
}

TEST_CASE("margin_mse is nothing where the margins agree, however far the scores lie apart") {
  const auto got = logit_case<float>{1, 3, {4096.25F, 4095.5F, 4096.75F}, {-0.25F, -1, 0.25F}}(margin_mse{});
  CHECK(got.value[0] == 0);
  CHECK(got.gradient == std::vector<float>{0, 0, 0});
  const auto huge = logit_case<float>{1, 2, {1e4F, -1e4F}, {-1e4F, 1e4F}}(margin_mse{});
  CHECK(huge.value[0] == Approx(1.6e9));
}

TEST_CASE("margin_mse keeps the digits of margins that nearly agree, and of no others") {
  for (const index candidates : {5, 150}) {
    auto c = random_logits<float>(3, candidates, 20, 7);
    const auto noise = limbeck_test::random_numbers<float>(c.student.size(), -1e-4, 1e-4, 9);
    for (std::size_t i = 0; i < noise.size(); ++i) c.student[i] = c.teacher[i] + noise[i];
    const auto got = c(margin_mse{});
    for (index r = 0; r < 3; ++r) {
      const plain_margins want(c, r, 0);
      CHECK(static_cast<double>(got.value[static_cast<std::size_t>(r)]) ==
            Approx(static_cast<double>(want.value)).epsilon(1e-5));
      for (index k = 1; k < candidates; ++k)
        CHECK(static_cast<double>(got.gradient[static_cast<std::size_t>(r * candidates + k)]) ==
              Approx(static_cast<double>(want.gradient[static_cast<std::size_t>(k)])).epsilon(1e-5));
    }
  }
}

TEST_CASE("margin_mse skips rows without another candidate, whatever their scores hold") {
  for (const double score : {undefined, infinity, -infinity}) {
    const auto got = logit_case<double>{1, 3, {score, 1, 2}, {1, -infinity, -infinity}}(margin_mse{});
    CHECK(got.value[0] == 0);
    CHECK(got.gradient == std::vector<double>{0, 0, 0});
  }
}

TEST_CASE("margin_mse skips rows of weight 0, ignored labels, padding and candidates that the teacher rules out") {
  logit_case<double> c{4, 4, {}, {}};
  c.student = {1, 2, 0, undefined, undefined, undefined, 1, undefined, 1, 2, 3, undefined, 5, undefined, 5, undefined};
  c.teacher = {1, 1, -infinity, undefined, 1, 1, 1, undefined, 1, 1, 1, undefined, 1, -infinity, -infinity, undefined};
  c.valid_classes = 3;
  c.row_weight = {2, 0, 1, 1};
  c.labels = {0, 0, -100, 0};
  const auto got = c(margin_mse{});
  CHECK(got.value == std::vector<double>{2, 0, 0, 0});
  std::vector<double> want(16, 0.0);
  want[0] = -4, want[1] = 4;
  CHECK(got.gradient == want);

  const auto none = logit_case<double>{1, 3, {1, 2, 3}, {-infinity, 1, 2}}(margin_mse{});
  CHECK(none.value[0] == 0);
  CHECK(none.gradient == std::vector<double>{0, 0, 0});

  std::vector<double> anything(16, undefined), value(4);  // what lay there is written over
  sink<double, cpu> out{view<double, 1>(value.data(), 4)};
  out.gradient.logits = view<double, 2>(anything.data(), 4, 4);
  const signals<const double> student{view<const double, 2>(c.student.data(), 4, 4), {}, 3},
      teacher{view<const double, 2>(c.teacher.data(), 4, 4), {}, 3};
  const targets<double> given{
      view<const std::int32_t, 1>(c.labels.data(), 4), {}, view<const double, 1>(c.row_weight.data(), 4)};
  write_gradient(margin_mse{}, cpu_executor<>{}, student, teacher, given, out);
  CHECK(anything == want);
}

TEST_CASE("margin_mse has the same bits for any threads, and takes narrow storage") {
  for (const index candidates : {9, 200}) {
    const auto c = random_logits<float>(3000, candidates, 4, 5);
    const auto one = c(margin_mse{}, 1), three = c(margin_mse{}, 3);
    CHECK(one.value == three.value);
    CHECK(one.gradient == three.gradient);
  }
  logit_case<float, bfloat16, float16, bfloat16> narrow{
      1, 2, {bfloat16(3.0F), bfloat16(1.0F)}, {float16(5.0F), float16(4.5F)}};
  const auto got = narrow(margin_mse{});
  CHECK(got.value[0] == 2.25F);
  CHECK(static_cast<float>(got.gradient[1]) == -3.0F);
}

TEST_CASE("lists of candidates are compared by soft_target, those that are none by -infinity or valid_classes") {
  const logit_case<double> three{1, 3, {1, 0.5, -1}, {0.2, 1, 0.4}};
  const auto want = three(soft_target_kl{});
  auto ruled_out = logit_case<double>{1, 5, {1, 9, 0.5, -1, 7}, {0.2, -infinity, 1, 0.4, -infinity}};
  ruled_out.student[1] = ruled_out.student[4] = -infinity;
  const auto got = ruled_out(soft_target_kl{});
  CHECK(got.value[0] == Approx(want.value[0]).epsilon(1e-14));
  for (const auto& [of_five, of_three] : {std::pair{0, 0}, {2, 1}, {3, 2}})
    CHECK(got.gradient[static_cast<std::size_t>(of_five)] ==
          Approx(want.gradient[static_cast<std::size_t>(of_three)]).epsilon(1e-14));
  CHECK(got.gradient[1] == 0);
  CHECK(got.gradient[4] == 0);

  logit_case<double> padded{1, 4, {1, 0.5, -1, undefined}, {0.2, 1, 0.4, undefined}};
  padded.valid_classes = 3;
  CHECK(padded(soft_target_kl{}).value[0] == want.value[0]);
}

TEST_CASE("margin_mse refuses what does not fit") {
  using Catch::Matchers::Contains;
  logit_case<double> c{2, 3, std::vector<double>(6), std::vector<double>(4), 2};
  CHECK_THROWS_WITH(c(margin_mse{}), Contains("margin_mse logits: student [2, 3], teacher [2, 2]"));
  c = {2, 3, std::vector<double>(6), std::vector<double>(6)};
  c.labels = {0, 3};
  CHECK_THROWS_WITH(c(margin_mse{}), Contains("row 1 has label 3, there are 3 classes"));
  c.labels = {0};
  CHECK_THROWS_WITH(c(margin_mse{}), Contains("margin_mse labels: 1 for 2 rows"));
}

}  // namespace limbeck
