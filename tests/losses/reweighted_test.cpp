// Terms that are weighted sample by sample.
#include "limbeck/losses/reweighted.hpp"

#include <limits>

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

constexpr soft_target_kl soft{.temperature = 2};
constexpr cross_entropy hard{};

static_assert(loss_policy<decltype(reweighted{blend<float>{}, hard, soft}), cpu_executor<>>);
static_assert(reweighted{confident_teacher{}, soft}.reads == signal::logits);

// Three samples of two rows.
logit_case<double> three_samples() {
  auto c = random_logits<double>(6, 5, 2, 3);
  c.labels = {1, 0, 4, 2, 2, 3};
  c.row_sample = {0, 0, 1, 1, 2, 2};
  c.per.rows = 6;
  return c;
}
// A policy that weighs each term by how much of the sample's loss it is.
struct by_loss {
  template <class A, class S, class U>
  void operator()(const sample_losses<A, S, U>& batch, const view<A, 2>& weights) const {
    for (index k = 0; k < 2; ++k)
      for (index i = 0; i < weights.extent(1); ++i)
        weights(k, i) = batch.losses(k, i) / (batch.losses(0, i) + batch.losses(1, i));
  }
};
// A blend of shares that it owns.
struct owned_shares {
  static constexpr bool reads_losses = false;
  std::vector<double> share;

  template <class Batch>
  void operator()(const Batch& batch, const view<double, 2>& weights) const {
    blend<double>{view<const double, 1>(share.data(), share.size())}(batch, weights);
  }
};
// The same terms with weights by hand.
logit_case<double>::outcome by_hand(logit_case<double> c, const std::vector<double>& task,
                                    const std::vector<double>& teacher) {
  c.sample_weight = task;
  auto got = c(hard);
  c.sample_weight = teacher;
  const auto more = c(soft);
  for (std::size_t i = 0; i < got.value.size(); ++i) got.value[i] += more.value[i];
  for (std::size_t i = 0; i < got.gradient.size(); ++i) got.gradient[i] += more.gradient[i];
  return got;
}
void check_same(const logit_case<double>::outcome& got, const logit_case<double>::outcome& want) {
  for (std::size_t i = 0; i < want.value.size(); ++i) CHECK(got.value[i] == Approx(want.value[i]).epsilon(1e-14));
  for (std::size_t i = 0; i < want.gradient.size(); ++i)
    CHECK(got.gradient[i] == Approx(want.gradient[i]).epsilon(1e-14).margin(1e-16));
}

}  // namespace

TEST_CASE("reweighted: blend gives each sample its own share of two terms, times the caller's weights") {
  auto c = three_samples();
  const std::vector<double> share{0.25, 1, 0.5};
  c.sample_weight = {2, 1, 0};
  const auto got = c(reweighted{blend<double>{view<const double, 1>(share.data(), 3)}, hard, soft});
  check_same(got, by_hand(c, {1.5, 0, 0}, {0.5, 1, 0}));
  CHECK_THROWS_WITH(c(reweighted{blend<double>{view<const double, 1>(share.data(), 2)}, hard, soft}),
                    "blend: 2 shares for 3 samples and 2 terms, expected two terms");
}

TEST_CASE("reweighted: a policy sees each term's own losses, and its weights are constants") {
  auto c = three_samples();
  auto plain = c;
  plain.per = {};
  const auto task = plain(hard).value, teacher = plain(soft).value;
  std::vector<double> of_task, of_teacher;
  for (std::size_t i = 0; i < 3; ++i) {
    of_task.push_back(task[i] / (task[i] + teacher[i]));
    of_teacher.push_back(teacher[i] / (task[i] + teacher[i]));
  }
  check_same(c(reweighted{by_loss{}, hard, soft}), by_hand(c, of_task, of_teacher));
  const auto scaled = c(0.5 * reweighted{by_loss{}, hard, soft}), whole = c(reweighted{by_loss{}, hard, soft});
  CHECK(scaled.total() == Approx(whole.total() / 2));
}

TEST_CASE("reweighted: gradients are slopes of values where the weights are constants") {
  limbeck_test::check_gradients("reweighted", [](limbeck_test::draws& random) {
    const auto c = random_rows(random);
    const confident_teacher sure{.least = 0.3, .correct = false};
    const owned_shares shares{random.numbers(c.samples(), 0, 1)};
    return random.once_in(2) ? gradient_of(c, reweighted{sure, hard, soft})
                             : gradient_of(c, reweighted{shares, hard, soft});
  });
}

TEST_CASE("reweighted: samples of weight 0 are nobody's business, garbage and all") {
  auto c = three_samples();
  c.sample_weight = {1, 0, 1};
  for (std::size_t at = 10; at < 20; ++at) c.student[at] = c.teacher[at] = std::numeric_limits<double>::quiet_NaN();
  const auto got = c(reweighted{by_loss{}, hard, soft});
  CHECK(got.value[1] == 0);
  for (std::size_t at = 0; at < 30; ++at) CHECK(std::isfinite(got.gradient[at]));
}

TEST_CASE("reweighted: a teacher speaks where it is confident, and right if that is asked") {
  logit_case<double> c{3, 2, {0.1, 0, 0, 0.3, 1, 0}, {2, 0, 0.1, 0, 3, 0}};
  c.labels = {0, 0, 1};  // right and sure, right and unsure, sure and wrong
  const auto one = [&](const auto& loss) { return c(loss).value; };
  const auto task = one(hard), teacher = one(soft);
  const auto sure = one(reweighted{confident_teacher{.least = 0.8, .correct = false}, hard, soft});
  CHECK(sure == std::vector<double>{task[0] + teacher[0], task[1], task[2] + teacher[2]});
  const auto right = one(reweighted{confident_teacher{.least = 0, .correct = true}, hard, soft});
  CHECK(right == std::vector<double>{task[0] + teacher[0], task[1] + teacher[1], task[2]});
  c.labels.clear();
  CHECK_THROWS_WITH(c(reweighted{confident_teacher{}, soft}), "confident_teacher: 0 labels for 3 rows");
}

}  // namespace limbeck
