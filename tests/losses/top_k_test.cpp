// Soft targets from a teacher that kept some classes: against textbooks on merged rows, for every divergence.
#include "limbeck/losses/top_k.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "limbeck/losses/objective.hpp"
#include "losses/every_divergence.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/textbook.hpp"
#include "losses/top_k_of.hpp"

namespace limbeck {
namespace {

namespace textbook = limbeck_test::textbook;
using limbeck_test::logit_case;
using limbeck_test::random_logits;
using limbeck_test::top_k_of;
using textbook::real;

static_assert(loss_policy<top_k_kl, cpu_executor<>>);
static_assert(loss_policy<top_k_soft_target<jensen_shannon>, cpu_executor<>, bfloat16, float, float>);

// The classes of a row by its logits, the largest first.
std::vector<std::size_t> by_size(const std::vector<real>& row) {
  std::vector<std::size_t> order;
  for (std::size_t c = 0; c < row.size(); ++c) order.push_back(c);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return row[a] > row[b]; });
  return order;
}

// log softmax of the classes `kept`, the rest of them as one class behind.
std::vector<real> merged(const std::vector<real>& logs, const std::vector<std::size_t>& kept) {
  std::vector<real> out;
  std::vector<bool> taken(logs.size(), false);
  for (const std::size_t c : kept) {
    out.push_back(logs[c]);
    taken[c] = true;
  }
  real rest = 0;
  for (std::size_t c = 0; c < logs.size(); ++c) rest += taken[c] ? 0 : std::exp(logs[c]);
  out.push_back(std::log(rest));
  return out;
}

// What the divergence of the merged rows says of each of the student's logits.
template <class Divergence>
textbook::outcome of_merged(const std::vector<real>& student, const std::vector<real>& teacher, real temperature,
                            index k) {
  std::vector<std::size_t> kept = by_size(teacher);
  kept.resize(static_cast<std::size_t>(k));
  const std::vector<real> log_q = textbook::log_softmax(student, temperature);
  const std::vector<real> mine = merged(log_q, kept),
                          theirs = merged(textbook::log_softmax(teacher, temperature), kept);
  const auto of_merged = textbook::of_row<Divergence>(mine, theirs, 1);
  textbook::outcome all{of_merged.value, {}};
  for (const real log_of_class : log_q)
    all.gradient.push_back(of_merged.gradient.back() * std::exp(log_of_class - mine.back()) / temperature);
  for (std::size_t j = 0; j < kept.size(); ++j) all.gradient[kept[j]] = of_merged.gradient[j] / temperature;
  return all;
}

// log(student / teacher) of the distributions that a mode compares, for keep_apart(); 1 where it compares nothing.
struct top_k_ratios {
  index k;
  top_k_mode mode;
  double temperature;

  std::vector<real> operator()(const std::vector<double>& student, const std::vector<double>& teacher) const {
    std::vector<std::size_t> kept = by_size({teacher.begin(), teacher.end()});
    kept.resize(static_cast<std::size_t>(k));
    if (k == 1 && mode != top_k_mode::tail_bucket) return std::vector<real>(student.size(), 1);  // of 1, which stays 1
    const bool whole = kept.size() == student.size();
    const auto logs = [&](const std::vector<double>& row, bool alone) {
      std::vector<real> z(row.begin(), row.end());
      if (!alone)
        return whole ? textbook::log_softmax(z, temperature) : merged(textbook::log_softmax(z, temperature), kept);
      z.clear();
      for (const std::size_t c : kept) z.push_back(row[c]);
      return textbook::log_softmax(z, temperature);
    };
    const auto mine = logs(student, !whole && mode == top_k_mode::renormalised_both);
    const auto theirs = logs(teacher, !whole && mode != top_k_mode::tail_bucket);
    std::vector<real> ratios(student.size(),
                             whole || mode != top_k_mode::tail_bucket ? 1 : mine.back() - theirs.back());
    for (std::size_t j = 0; j < kept.size(); ++j) ratios[whole ? j : kept[j]] = mine[j] - theirs[j];
    return ratios;
  }
};

template <class A, class Divergence>
void check_tail(index classes, index k, double tolerance) {
  const double temperature = 1.7;
  for (const double spread : {0.1, 4.0}) {
    auto c = random_logits<A>(3, classes, spread, static_cast<unsigned>(classes + k));
    const auto got = c(top_k_of<top_k_soft_target<decltype(Divergence::policy())>>{
        k,
        {.temperature = temperature, .t_squared = false, .over = divisor::none, .divergence = Divergence::policy()}});
    for (index r = 0; r < 3; ++r)
      textbook::check_row(got, r,
                          of_merged<Divergence>(textbook::row_of(c.student, r, classes),
                                                textbook::row_of(c.teacher, r, classes), temperature, k),
                          tolerance, tolerance * 1e-3);
  }
}
template <class A, class... Divergences>
void check_tails(double tolerance) {
  for (const index k : {1, 7, 40}) (check_tail<A, Divergences>(41, k, tolerance), ...);
}

}  // namespace

TEST_CASE("top_k_soft_target: every divergence is that of the rows with all other classes merged") {
  check_tails<double, textbook::forward_kl, textbook::soft_label_cross_entropy, textbook::reverse_kl,
              textbook::jensen_shannon<50>, textbook::jensen_shannon<10>, textbook::scaled_jensen_shannon<90>,
              textbook::skew_kl<10>, textbook::skew_reverse_kl<10>, textbook::total_variation,
              textbook::squared_hellinger, textbook::alpha_beta<20, 70>>(1e-9);
  check_tails<float, textbook::forward_kl, textbook::reverse_kl>(2e-4);
}

TEST_CASE("top_k_soft_target: k = classes, and a teacher that kept nothing apart, are soft_target bit for bit") {
  const auto c = random_logits<float>(9, 37, 3, 5);
  const auto whole = c(soft_target_kl{.temperature = 2});
  for (const auto& got : {c(top_k_of<top_k_kl>{37, {.temperature = 2}}), c(top_k_kl{.temperature = 2})}) {
    CHECK(got.value == whole.value);
    CHECK(got.gradient == whole.gradient);
  }
}

TEST_CASE("top_k_soft_target: renormalised modes agree with soft_target of the rows that they mean") {
  const index classes = 23, k = 4, rows = 5;
  const auto c = random_logits<double>(rows, classes, 3, 9);
  auto alone = c, ruled_out = c;  // the kept classes only; the teacher's others impossible
  alone.student.clear();
  alone.teacher.clear();
  alone.columns = k;
  std::vector<std::size_t> places;
  for (index r = 0; r < rows; ++r) {
    auto kept = by_size(textbook::row_of(c.teacher, r, classes));
    for (std::size_t j = static_cast<std::size_t>(k); j < kept.size(); ++j)
      ruled_out.teacher[static_cast<std::size_t>(r * classes) + kept[j]] = -limbeck_test::infinity;
    kept.resize(static_cast<std::size_t>(k));
    std::sort(kept.begin(), kept.end());
    for (const std::size_t at : kept) {
      places.push_back(static_cast<std::size_t>(r * classes) + at);
      alone.student.push_back(c.student[places.back()]);
      alone.teacher.push_back(c.teacher[places.back()]);
    }
  }
  const auto both = c(top_k_of<top_k_kl>{k, {.temperature = 2, .mode = top_k_mode::renormalised_both}});
  const auto of_kept = alone(soft_target_kl{.temperature = 2});
  CHECK(both.value == of_kept.value);
  double elsewhere = 0;
  for (const double g : both.gradient) elsewhere += g != 0;
  CHECK(elsewhere == static_cast<double>(places.size()));
  for (std::size_t i = 0; i < places.size(); ++i) CHECK(both.gradient[places[i]] == of_kept.gradient[i]);

  const auto teacher = c(top_k_of<top_k_kl>{k, {.temperature = 2, .mode = top_k_mode::renormalised_teacher}});
  const auto whole = ruled_out(soft_target_kl{.temperature = 2});
  CHECK(teacher.value == whole.value);
  CHECK(teacher.gradient == whole.gradient);
}

// A class that the teacher rules out, the student not.
const compared<double> ruled_out{0.5, 0, std::log(0.5), -limbeck_test::infinity, limbeck_test::infinity};

TEST_CASE("top_k_soft_target: gradients are slopes of values, in every mode, for every divergence") {
  limbeck_test::for_each_divergence([](const std::string& name, const auto& made) {
    limbeck_test::check_gradients("top_k_soft_target of " + name, [&](limbeck_test::draws& random) {
      auto c = random_rows(random);
      const auto divergence = made(random);
      using term = top_k_soft_target<std::remove_cv_t<decltype(divergence)>>;
      const index k = random.between(1, c.valid_classes > 0 ? c.valid_classes : c.columns);
      auto mode =
          random.pick({top_k_mode::tail_bucket, top_k_mode::renormalised_teacher, top_k_mode::renormalised_both});
      if (mode == top_k_mode::renormalised_teacher && !std::isfinite(divergence(ruled_out).value))
        mode = top_k_mode::tail_bucket;
      const top_k_of<term> loss{k,
                                {.temperature = random.number(0.5, 4),
                                 .t_squared = random.once_in(2),
                                 .mode = mode,
                                 .divergence = divergence}};
      if (name == "total_variation") keep_apart(random, c, top_k_ratios{k, mode, loss.loss.temperature});
      return gradient_of(c, loss);
    });
  });
}

TEST_CASE("top_k_soft_target: rows of weight 0, columns behind the classes and ruled-out classes stay where they are") {
  auto c = random_logits<float>(4, 12, 2, 3);
  c.valid_classes = 9;
  c.row_weight = {1, 0, 1, 1};
  c.row_sample = {0, 0, 1, 1};
  for (std::size_t column = 0; column < 12; ++column)
    c.student[12 + column] = c.teacher[12 + column] = std::numeric_limits<float>::quiet_NaN();
  for (const std::size_t row : {std::size_t{0}, std::size_t{2}, std::size_t{3}})
    for (std::size_t column = 9; column < 12; ++column)
      c.student[row * 12 + column] = c.teacher[row * 12 + column] = std::numeric_limits<float>::quiet_NaN();
  c.student[2] = -std::numeric_limits<float>::infinity();
  c.teacher[2] = -std::numeric_limits<float>::infinity();
  for (const auto mode : {top_k_mode::tail_bucket, top_k_mode::renormalised_teacher, top_k_mode::renormalised_both}) {
    const top_k_of<top_k_kl> loss{3, {.mode = mode}};
    const auto got = c(loss);
    for (const float v : got.value) CHECK(std::isfinite(v));
    for (std::size_t at = 0; at < got.gradient.size(); ++at) {
      CHECK(std::isfinite(got.gradient[at]));
      if (at / 12 == 1 || at % 12 >= 9 || at == 2) CHECK(got.gradient[at] == 0);
    }
    // written where anything was, the same as added to zeros
    std::vector<float> written(got.gradient.size(), 17);
    std::vector<float> value(2, 0);
    sink<float, cpu> out{view<float, 1>(value.data(), 2)};
    out.gradient.logits = view<float, 2>(written.data(), 4, 12);
    const view<const std::int32_t, 1> samples(c.row_sample.data(), 4);
    write_gradient(loss, cpu_executor<>{},
                   signals<const float>{view<const float, 2>(c.student.data(), 4, 12), samples, 9},
                   signals<const float>{view<const float, 2>(c.teacher.data(), 4, 12), samples, 9},
                   targets<float>{.row_weight = view<const float, 1>(c.row_weight.data(), 4)}, out);
    CHECK(value == got.value);
    CHECK(std::memcmp(written.data(), got.gradient.data(), written.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("top_k_soft_target: the same bits for any number of threads and any split") {
  auto c = random_logits<float>(64, 1500, 3, 21);
  const top_k_of<top_k_kl> loss{16, {.temperature = 2}};
  const auto one = c(loss), two = c(loss, 2);
  CHECK(one.value == two.value);
  CHECK(one.gradient == two.gradient);
  auto tail = c;
  tail.rows = 21;
  tail.student.erase(tail.student.begin(), tail.student.end() - 21 * 1500);
  tail.teacher.erase(tail.teacher.begin(), tail.teacher.end() - 21 * 1500);
  const auto part = tail(loss);
  CHECK(std::equal(part.value.begin(), part.value.end(), one.value.end() - 21));
  CHECK(std::equal(part.gradient.begin(), part.gradient.end(), one.gradient.end() - 21 * 1500));
}

TEST_CASE("keep_top_k keeps the largest in the order of their classes, of equal ones the first") {
  const std::vector<double> z{1, 3, 3, -2, 3, 0, -limbeck_test::infinity, 3};
  std::vector<std::int32_t> classes(3);
  std::vector<double> kept(3), rest(1);
  const auto keep = [&](const std::vector<double>& logits, double temperature) {
    keep_top_k(cpu_executor<>{}, view<const double, 2>(logits.data(), 1, 8), temperature,
               view<std::int32_t, 2>(classes.data(), 1, 3), view<double, 2>(kept.data(), 1, 3),
               view<double, 1>(rest.data(), 1));
  };
  keep(z, 2);
  CHECK(classes == std::vector<std::int32_t>{1, 2, 4});
  CHECK(kept == std::vector<double>{3, 3, 3});
  CHECK(rest[0] == Approx(std::log(std::exp(0.5) + std::exp(-1.0) + 1 + std::exp(1.5))));
  keep(
      {-9, 0, 1, 2, -limbeck_test::infinity, -limbeck_test::infinity, -limbeck_test::infinity, -limbeck_test::infinity},
      1);
  CHECK(rest[0] == Approx(-9));
  keep({0, 0, 1, limbeck_test::undefined, 1, 0, 0, 0}, 1);
  CHECK(classes == std::vector<std::int32_t>{2, 3, 4});
  CHECK_THROWS_WITH(keep(z, 0), Catch::Matchers::StartsWith("keep_top_k: temperature 0"));
}

TEST_CASE("top_k_soft_target: complaints name both numbers") {
  const auto c = random_logits<double>(2, 6, 1, 1);
  std::vector<std::int32_t> classes{0, 4, 4, 1};
  std::vector<double> kept{1, 2, 3, 4}, rest{0, 0};
  signals<const double> student{view<const double, 2>(c.student.data(), 2, 6)};
  signals<const double> teacher{view<const double, 2>(kept.data(), 2, 2)};
  teacher.kept_classes = view<const std::int32_t, 2>(classes.data(), 2, 2);
  const auto call = [&] { top_k_kl{}(cpu_executor<>{}, student, teacher, targets<double>{}, sink<double, cpu>{}); };
  CHECK_THROWS_WITH(call(), "top_k_soft_target: 0 values of log_rest for 2 rows; tail_bucket needs them");
  teacher.log_rest = view<const double, 1>(rest.data(), 2);
  CHECK_THROWS_WITH(call(), "top_k_soft_target: row 1 keeps class 1 at place 1, expected rising classes below 6");
  classes = {0, 6, 0, 1};
  CHECK_THROWS_WITH(call(), "top_k_soft_target: row 0 keeps class 6 at place 1, expected rising classes below 6");
  teacher.logits = view<const double, 2>(kept.data(), 1, 4);
  CHECK_THROWS_WITH(call(), Catch::Matchers::Contains("logits of the kept classes"));
}

}  // namespace limbeck
