// The algebra of objectives: sums, factors, schedules, words of other namespaces.
#include "limbeck/losses/objective.hpp"

#include <algorithm>
#include <type_traits>

#include "catch.hpp"
#include "limbeck/losses/attention_mse.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/hidden_mse.hpp"
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "losses/gradient_sweep.hpp"
#include "losses/logit_case.hpp"

// A loss of a stranger, with nothing of limbeck in its name.
namespace mine {

/// value[row] += (student - teacher) of class 0, times what the sink says.
struct margin {
  static constexpr limbeck::signal_set reads = limbeck::signal::embeddings;

  template <limbeck::launchable E, class S, class U, class A, class G>
  void operator()(const E&, const limbeck::signals<const S, limbeck::cpu>& student,
                  const limbeck::signals<const U, limbeck::cpu>& teacher, const limbeck::targets<A, limbeck::cpu>&,
                  const limbeck::sink<A, limbeck::cpu, G>& out) const {
    const double factor = out.scale / out.per.rows;
    for (limbeck::index i = 0; i < student.logits.extent(0); ++i) {
      out.value(i) += factor * (student.logits(i, 0) - teacher.logits(i, 0));
      out.gradient.logits(i, 0) += factor;
    }
  }
};

}  // namespace mine

namespace {

namespace signal = limbeck::signal;
using limbeck::attention_mse;
using limbeck::cross_entropy;
using limbeck::hidden_mse;
using limbeck::linear_decay;
using limbeck::logits_mse;
using limbeck::scaled;
using limbeck::soft_target_kl;
using limbeck::sum;
using limbeck_test::logit_case;

// What a term reads is known to the compiler, and joined.
static_assert((0.9 * soft_target_kl{.temperature = 2}).reads == signal::logits);
static_assert((0.9 * soft_target_kl{} + 0.1 * cross_entropy{}).reads == signal::logits);
static_assert((soft_target_kl{} + attention_mse{} + hidden_mse{}).reads ==
              (signal::logits | signal::scores | signal::hidden));
static_assert((linear_decay{4, 1} * (hidden_mse{} + limbeck::embedding_mse{})).reads ==
              (signal::hidden | signal::embeddings));
static_assert((attention_mse{limbeck::uniform_mapping{}, {.of = limbeck::attention_map::probabilities}} +
               cross_entropy{})
                  .reads == (signal::probabilities | signal::logits));
static_assert(limbeck::term(mine::margin{}).reads == signal::embeddings);

// Sums are flat however they are bracketed; a factor in front of one keeps it together.
using kl = soft_target_kl;
static_assert(std::is_same_v<decltype(kl{} + cross_entropy{} + logits_mse{}), sum<kl, cross_entropy, logits_mse>>);
static_assert(std::is_same_v<decltype(kl{} + (cross_entropy{} + logits_mse{})), sum<kl, cross_entropy, logits_mse>>);
static_assert(std::is_same_v<decltype((kl{} + kl{}) + (kl{} + kl{})), sum<kl, kl, kl, kl>>);
static_assert(
    std::is_same_v<decltype(2 * (kl{} + cross_entropy{})), scaled<limbeck::constant, sum<kl, cross_entropy>>>);

static_assert(limbeck::loss_policy<decltype(0.9 * kl{} + cross_entropy{}), limbeck::cpu_executor<>>);
static_assert(limbeck::loss_policy<decltype(linear_decay{} * (kl{} + attention_mse{})), limbeck::cpu_executor<>>);
static_assert(!limbeck::some_loss<int> && !limbeck::some_loss<linear_decay>);

logit_case<double> two_rows() {
  logit_case<double> c{2, 3, {1, 2, 3, 0, -1, 0.5}, {0, 0, 1, 1, 1, -1}};
  c.labels = {2, 0};
  return c;
}

using outcome = logit_case<double>::outcome;
// sum of factors times outcomes
void check_mix(const outcome& got, double a, const outcome& first, double b, const outcome& second) {
  for (std::size_t i = 0; i < got.value.size(); ++i)
    CHECK(got.value[i] == Approx(a * first.value[i] + b * second.value[i]).epsilon(1e-14));
  for (std::size_t i = 0; i < got.gradient.size(); ++i)
    CHECK(got.gradient[i] == Approx(a * first.gradient[i] + b * second.gradient[i]).epsilon(1e-13));
}

// Calls a loss at some point of a run.
template <class Loss>
struct at_progress {
  static constexpr limbeck::signal_set reads = signal::logits;
  Loss loss;
  double progress;

  template <limbeck::launchable E>
  void operator()(const E& on, const limbeck::signals<const double>& student,
                  const limbeck::signals<const double>& teacher, const limbeck::targets<double>& given,
                  const limbeck::sink<double, limbeck::cpu>& out) const {
    auto here = out;
    here.progress = progress;
    loss(on, student, teacher, given, here);
  }
};

// Calls two losses one after the other, each for all rows.
template <class First, class Second>
struct in_turn {
  static constexpr limbeck::signal_set reads = signal::logits;
  First first;
  Second second;

  template <limbeck::executor E, class A>
  void operator()(const E& on, const limbeck::signals<const A>& student, const limbeck::signals<const A>& teacher,
                  const limbeck::targets<A>& given, const limbeck::sink<A, limbeck::cpu>& out) const {
    first(on, student, teacher, given, out);
    second(on, student, teacher, given, out);
  }
};
// Fills the gradient with garbage first, for a loss that writes it.
template <class Loss>
struct over_garbage {
  static constexpr limbeck::signal_set reads = signal::logits;
  Loss loss;

  template <limbeck::executor E, class A>
  void operator()(const E& on, const limbeck::signals<const A>& student, const limbeck::signals<const A>& teacher,
                  const limbeck::targets<A>& given, const limbeck::sink<A, limbeck::cpu>& out) const {
    std::fill_n(out.gradient.logits.data(), out.gradient.logits.count(), A(77));
    limbeck::write_gradient(loss, on, student, teacher, given, out);
  }
};

}  // namespace

TEST_CASE("an objective is the weighted sum of its terms, in value and gradient") {
  const auto c = two_rows();
  const auto soft = c(soft_target_kl{.temperature = 2}), hard = c(cross_entropy{});
  check_mix(c(0.9 * soft_target_kl{.temperature = 2} + 0.1 * cross_entropy{}), 0.9, soft, 0.1, hard);
  check_mix(c(soft_target_kl{.temperature = 2} + cross_entropy{}), 1, soft, 1, hard);
  check_mix(c(3 * (0.5 * soft_target_kl{.temperature = 2} + 2 * cross_entropy{})), 1.5, soft, 6, hard);
  check_mix(c(0.25 * (2 * (4 * cross_entropy{}))), 1, hard, 1, hard);
}

TEST_CASE("the gradient of an objective is the slope of its value") {
  limbeck_test::check_gradients("sum, scaled", [](limbeck_test::draws& random) {
    const linear_decay falling{random.number(1, 4), 1};
    const double temperature = random.number(0.5, 4), share = random.number(0, 2);
    return gradient_of(random_rows(random),
                       falling * soft_target_kl{.temperature = temperature} + share * cross_entropy{});
  });
}

TEST_CASE("a schedule in front of a term follows the progress of the run") {
  const auto c = two_rows();
  const auto soft = c(soft_target_kl{}), hard = c(cross_entropy{});
  const auto goal = linear_decay{4, 1} * soft_target_kl{} + 0.1 * cross_entropy{};
  for (const double progress : {0.0, 0.5, 1.0})
    check_mix(c(at_progress<decltype(goal)>{goal, progress}), 4 - 3 * progress, soft, 0.1, hard);
  const auto own = [](double progress) { return progress * progress; };
  check_mix(c(at_progress<decltype(own * cross_entropy{})>{own * cross_entropy{}, 0.5}), 0.25, hard, 0, hard);
}

TEST_CASE("a term of factor 0 is not called") {
  auto c = two_rows();
  c.labels = {7, 7};  // cross_entropy would throw
  CHECK_THROWS_AS(c(cross_entropy{}), limbeck::contract_error);
  const auto alone = c(soft_target_kl{});
  const auto got = c(soft_target_kl{} + 0 * cross_entropy{});
  CHECK(got.value == alone.value);
  CHECK(got.gradient == alone.gradient);
  const auto goal = soft_target_kl{} + linear_decay{1, 0} * cross_entropy{};
  CHECK(c(at_progress<decltype(goal)>{goal, 1}).value == alone.value);
  CHECK_THROWS_AS(c(at_progress<decltype(goal)>{goal, 0.5}), limbeck::contract_error);
}

TEST_CASE("terms on logits that go through a few samples at a time have the bits of one after the other") {
  auto c = limbeck_test::random_logits<float>(41, 3001, 9, 5);  // a few rows fit the caches that a slice is made for
  c.valid_classes = 2999;
  for (std::int32_t i = 0; i < 41; ++i) c.labels.push_back(i % 7 == 3 ? -100 : 70 * i);
  for (const std::int32_t longest : {1, 5, 41}) {
    c.row_sample.clear();
    for (std::int32_t i = 0; i < 41; ++i) c.row_sample.push_back(i / longest);
    c.row_weight = std::vector<float>(41, 1.25F);
    c.row_weight[6] = 0;
    c.sample_weight = std::vector<float>(static_cast<std::size_t>(c.samples()), 1.5F);
    if (longest == 5) c.sample_weight[3] = 0;
    const auto soft = 0.7 * soft_target_kl{.temperature = 2};
    const auto hard = 0.3 * cross_entropy{.label_smoothing = 0.1};
    const auto want = c(in_turn<decltype(soft), decltype(hard)>{soft, hard});
    for (const int threads : {1, 2, 3}) {
      const auto goal = soft + hard;
      const auto got = c(goal, threads), written = c(over_garbage<decltype(goal)>{goal}, threads);
      CHECK(got.value == want.value);
      CHECK(got.gradient == want.gradient);
      CHECK(written.value == want.value);
      CHECK(written.gradient == want.gradient);
    }
  }
}

TEST_CASE("an objective on logits is checked as a whole before any of it is done") {
  auto c = two_rows();
  c.labels = {0, 7};
  std::vector<double> value(2), gradient(6);
  const limbeck::signals<const double> student{limbeck::view<const double, 2>(c.student.data(), 2, 3)};
  limbeck::sink<double, limbeck::cpu> out{limbeck::view<double, 1>(value.data(), 2)};
  out.gradient.logits = limbeck::view<double, 2>(gradient.data(), 2, 3);
  const limbeck::targets<double> given{limbeck::view<const std::int32_t, 1>(c.labels.data(), 2)};
  const auto goal = soft_target_kl{} + cross_entropy{};
  CHECK_THROWS_WITH(goal(limbeck::cpu_executor<>{}, student, student, given, out),
                    "cross_entropy labels: row 1 has label 7, there are 3 classes and -100 is ignored");
  CHECK(value == std::vector<double>(2));
  CHECK(gradient == std::vector<double>(6));
}

TEST_CASE("a loss of another namespace joins with term()") {
  const auto c = two_rows();
  const auto got = c(0.5 * limbeck::term(mine::margin{}) + cross_entropy{});
  const auto hard = c(cross_entropy{});
  CHECK(got.value[0] == Approx(0.5 + hard.value[0]));
  CHECK(got.value[1] == Approx(-0.5 + hard.value[1]));
  CHECK(got.gradient[3] == Approx(0.5 + hard.gradient[3]));
  static_assert(
      std::is_same_v<decltype(limbeck::term(mine::margin{}) + cross_entropy{}), sum<mine::margin, cross_entropy>>);
}

TEST_CASE("an objective that is called with counts uses those, in every term") {
  using limbeck::view;
  const auto c = two_rows();
  const auto soft = c(soft_target_kl{}), squared = c(logits_mse{});
  std::vector<double> value(2), gradient(6);
  const limbeck::signals<const double> student{view<const double, 2>(c.student.data(), 2, 3)},
      teacher{view<const double, 2>(c.teacher.data(), 2, 3)};
  limbeck::sink<double, limbeck::cpu> out{view<double, 1>(value.data(), 2)};
  out.gradient.logits = view<double, 2>(gradient.data(), 2, 3);
  out.per = {.samples = 7, .rows = 7, .tokens = 7, .pairs = 7, .elements = 7};  // not looked at
  const auto goal = soft_target_kl{} + 2 * logits_mse{};
  goal(limbeck::cpu_executor<>{}, student, teacher, limbeck::targets<double>{},
       limbeck::normaliser{.samples = 1, .rows = 2, .tokens = 1, .pairs = 1, .elements = 8}, out);
  check_mix({value, gradient}, 1 / 2.0, soft, 2 / 8.0, squared);
  CHECK(out.per.rows == 7);
}

TEST_CASE("an objective of equal models is 0 where its terms are") {
  auto c = two_rows();
  c.teacher = c.student;
  const auto got = c(0.5 * soft_target_kl{.temperature = 3} + linear_decay{2, 1} * logits_mse{});
  CHECK(got.value == std::vector<double>(2, 0));
  CHECK(got.gradient == std::vector<double>(6, 0));
}
