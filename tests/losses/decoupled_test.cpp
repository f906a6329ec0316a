// Decoupled and normalised distillation against their textbook formulas, soft_target_kl, and central differences.
#include "limbeck/losses/decoupled.hpp"

#include <cmath>
#include <limits>

#include "catch.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/logit_case.hpp"
#include "losses/textbook.hpp"
#include "simd_levels.hpp"

namespace limbeck {
namespace {

namespace textbook = limbeck_test::textbook;
using limbeck_test::logit_case;
using textbook::check_row;
using textbook::real;
using textbook::row_of;

static_assert(loss_policy<decoupled_kd, cpu_executor<>> && loss_policy<normalised_kd, cpu_executor<>, double>);

template <class A>
logit_case<A> labelled_case(index rows, index classes, double spread, unsigned seed) {
  auto c = limbeck_test::random_logits<A>(rows, classes, spread, seed);
  for (index i = 0; i < rows; ++i) c.labels.push_back(static_cast<std::int32_t>((7 * i + 1) % classes));
  return c;
}

// Both are sums over distributions that are written out: softmax, then the label taken from it.
struct written_out {
  std::vector<real> q, p, q_others, p_others;  // the latter 0 at the label
  std::size_t label;

  template <class A>
  written_out(const logit_case<A>& c, index row, real temperature)
      : label(static_cast<std::size_t>(c.labels[static_cast<std::size_t>(row)])) {
    const auto exp_of = [&](const std::vector<A>& logits) {
      auto logs = textbook::log_softmax(row_of(logits, row, c.columns), temperature);
      for (real& x : logs) x = std::exp(x);
      return logs;
    };
    const auto without_label = [&](std::vector<real> all) {
      all[label] = 0;
      real sum = 0;
      for (const real x : all) sum += x;
      for (real& x : all) x /= sum;
      return all;
    };
    q = exp_of(c.student);
    p = exp_of(c.teacher);
    q_others = without_label(q);
    p_others = without_label(p);
  }
};

textbook::outcome decoupled_row(const written_out& row, const decoupled_kd& loss) {
  const std::size_t y = row.label;
  const real alpha = loss.alpha, beta = loss.beta, t = loss.temperature;
  textbook::outcome want;
  want.value =
      alpha * (row.p[y] * std::log(row.p[y] / row.q[y]) + (1 - row.p[y]) * std::log((1 - row.p[y]) / (1 - row.q[y])));
  for (std::size_t j = 0; j < row.q.size(); ++j) {
    if (j != y) want.value += beta * row.p_others[j] * std::log(row.p_others[j] / row.q_others[j]);
    const real of_label = alpha * (row.q[y] - row.p[y]);
    want.gradient.push_back(
        t * (j == y ? of_label : beta * (row.q_others[j] - row.p_others[j]) - of_label * row.q_others[j]));
  }
  want.value *= t * t;
  return want;
}
textbook::outcome normalised_row(const written_out& at_one, const written_out& row, const normalised_kd& loss) {
  const std::size_t y = row.label;
  const real gamma = loss.gamma, t = loss.temperature;
  textbook::outcome want;
  want.value = -at_one.p[y] * std::log(at_one.q[y]);
  for (std::size_t j = 0; j < row.q.size(); ++j) {
    if (j != y) want.value -= gamma * t * t * row.p_others[j] * std::log(row.q_others[j]);
    want.gradient.push_back(at_one.p[y] * (at_one.q[j] - (j == y ? 1 : 0)) +
                            gamma * t * (row.q_others[j] - row.p_others[j]));
  }
  return want;
}

template <class A>
void check_both(const logit_case<A>& c, double tolerance, double floor) {
  const decoupled_kd decoupled{.temperature = 2, .alpha = 0.7, .beta = 3};
  const normalised_kd normalised{.temperature = 2, .gamma = 1.5};
  const auto got = c(decoupled), got_normalised = c(normalised);
  for (index r = 0; r < c.rows; ++r) {
    check_row(got, r, decoupled_row(written_out(c, r, 2), decoupled), tolerance, floor);
    check_row(got_normalised, r, normalised_row(written_out(c, r, 1), written_out(c, r, 2), normalised), tolerance,
              floor);
  }
}

}  // namespace

TEST_CASE("decoupled_kd and normalised_kd are their textbook formulas, for few classes and many") {
  for (const auto level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    unsigned seed = 1;
    for (const index classes : {2, 3, 17, 140, 1100})
      for (const double spread : {0.5, 5.0}) {
        check_both(labelled_case<double>(classes < 100 ? 21 : 2, classes, spread, seed++), 1e-12, 1e-13);
        check_both(labelled_case<float>(classes < 100 ? 21 : 2, classes, spread, seed++), 1e-5, 2e-6);
      }
  }
}

TEST_CASE("decoupled_kd keeps its digits where the rows nearly agree") {
  for (const index classes : {3, 200})
    for (const double size : {1e-2, 1e-4}) {
      auto c = labelled_case<float>(5, classes, 3, 9);
      for (std::size_t i = 0; i < c.student.size(); ++i)
        c.student[i] = c.teacher[i] + static_cast<float>(size * std::sin(static_cast<double>(i)));
      const decoupled_kd loss{};
      const auto got = c(loss);
      for (index r = 0; r < c.rows; ++r) {
        INFO("apart by " << size);
        check_row(got, r, decoupled_row(written_out(c, r, real(loss.temperature)), loss), 3e-5, 0);
      }
    }
}

TEST_CASE("decoupled_kd with beta = 1 - the teacher's probability of the label is soft_target_kl") {
  for (const index classes : {2, 9, 300}) {
    const auto c = labelled_case<double>(1, classes, 3, 5);
    const written_out row(c, 0, 4);
    const auto got = c(decoupled_kd{.beta = static_cast<double>(1 - row.p[row.label])});
    const auto want = c(soft_target_kl{.temperature = 4});
    CHECK(got.value[0] == Approx(want.value[0]).epsilon(1e-11));
    for (std::size_t i = 0; i < want.gradient.size(); ++i)
      CHECK(got.gradient[i] == Approx(want.gradient[i]).epsilon(1e-10).margin(1e-14));
  }
}

TEST_CASE("the gradients of decoupled_kd and normalised_kd are slopes of their values") {
  limbeck_test::check_gradients("decoupled_kd", [](limbeck_test::draws& random) {
    const decoupled_kd loss{.temperature = random.number(0.5, 4),
                            .alpha = random.number(0, 2),
                            .beta = random.number(0, 8),
                            .t_squared = random.once_in(2)};
    return gradient_of(random_rows(random), loss);
  });
  limbeck_test::check_gradients("normalised_kd", [](limbeck_test::draws& random) {
    const normalised_kd loss{.temperature = random.number(0.5, 4), .gamma = random.number(0, 2)};
    return gradient_of(random_rows(random), loss);
  });
}

TEST_CASE("decoupled_kd and normalised_kd leave finite gradients where a class is ruled out") {
  constexpr float out = -std::numeric_limits<float>::infinity();
  for (const index classes : {5, 150}) {
    auto c = labelled_case<float>(4, classes, 2, 3);
    const auto n = static_cast<std::size_t>(classes);
    c.student[2] = c.teacher[2] = out;  // not the label
    for (std::size_t r = 1; r < 4; ++r) {
      const std::size_t at = r * n + static_cast<std::size_t>(c.labels[r]);
      if (r != 2) c.student[at] = out;
      if (r != 1) c.teacher[at] = out;
    }
    const auto decoupled = c(decoupled_kd{}), normalised = c(normalised_kd{});
    for (const float g : decoupled.gradient) CHECK(std::isfinite(g));
    for (const float g : normalised.gradient) CHECK(std::isfinite(g));
    CHECK(decoupled.gradient[2] == 0);
    CHECK(std::isinf(decoupled.value[1]));  // the student rules out a label that the teacher does not
    CHECK(std::isfinite(decoupled.value[2]));
    CHECK(std::isfinite(decoupled.value[3]));  // nobody believes in the label
    CHECK(std::isfinite(normalised.value[3]));
  }
}

TEST_CASE("decoupled_kd skips ignored and weightless rows, and adds to what is there") {
  auto c = labelled_case<float>(6, 7, 2, 3);
  const auto whole = c(decoupled_kd{});
  c.labels[1] = -100;
  c.row_weight = {1, 1, 0, 1, 1, 2};
  for (std::size_t i = 7; i < 21; ++i) c.student[i] = std::numeric_limits<float>::quiet_NaN();
  const auto got = c(decoupled_kd{});
  for (std::size_t r = 0; r < 6; ++r) {
    const float weight = r == 1 || r == 2 ? 0.0F : r == 5 ? 2.0F : 1.0F;
    CHECK(got.value[r] == (weight == 0 ? 0 : weight * whole.value[r]));
    for (std::size_t i = 7 * r; i < 7 * r + 7; ++i) {
      const double wanted = weight == 0 ? 0 : static_cast<double>(weight * whole.gradient[i]);
      CHECK(static_cast<double>(got.gradient[i]) == Approx(wanted).epsilon(1e-6).margin(1e-30));
    }
  }
}

TEST_CASE("decoupled_kd and normalised_kd refuse what they have no meaning for") {
  auto c = labelled_case<float>(2, 3, 1, 1);
  CHECK_THROWS_WITH(c(decoupled_kd{.temperature = 0}), Catch::Matchers::Contains("decoupled_kd: temperature 0"));
  CHECK_THROWS_WITH(c(normalised_kd{.temperature = -1}), Catch::Matchers::Contains("normalised_kd: temperature -1"));
  CHECK_THROWS_WITH((labelled_case<float>(1, 1, 1, 1)(decoupled_kd{})), Catch::Matchers::Contains("beside the label"));
  c.labels[1] = 3;
  CHECK_THROWS_WITH(c(decoupled_kd{}), Catch::Matchers::Contains("decoupled_kd labels: row 1 has label 3"));
  CHECK_THROWS_WITH(c(normalised_kd{}), Catch::Matchers::Contains("normalised_kd labels: row 1 has label 3"));
}

}  // namespace limbeck
