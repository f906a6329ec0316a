// Tests of limbeck/training/distiller.hpp.
#include "limbeck/training/distiller.hpp"

#include <span>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "training/small_samples.hpp"
#include "training/word_sum.hpp"

namespace limbeck {
namespace {

using limbeck_test::inner_product, limbeck_test::largest_gap, limbeck_test::matrix, limbeck_test::slope_error,
    limbeck_test::small_samples, limbeck_test::word_sum;
using executor_type = cpu_executor<>;
using batch_list = std::vector<std::vector<std::ptrdiff_t>>;

/// A student and a teacher of sums of words, softened targets and labels.
struct word_distillation {
  sample_set set = small_samples(10, false);
  word_sum model{20, 3};
  matrix<> weights{20, 3, 1}, shown{20, 3, 2}, gradient{20, 3};
  std::vector<double> logits, values{0, 0};
  bool cached = false;

  /// One optimiser step over the micro-batches.
  void step(const batch_list& batches) {
    std::vector<named_term<executor_type, double>> terms;
    terms.push_back({"soft", {}, soft_target_kl{.temperature = 2, .over = divisor::samples}, false});
    terms.push_back(
        {"hard", {.from = 0.5}, cross_entropy{.ignore_index = no_label, .over = divisor::rows}, true, false});
    distiller<word_sum, executor_type, double> distil(model, {&model, shown.seen_flat(), {}}, std::move(terms));
    CHECK(distil.reads_teacher_logits());
    if (cached) {
      logits = std::vector<double>(static_cast<std::size_t>(set.size()) * 3);
      for (index i = 0; i < set.size(); ++i)
        for (const std::int32_t id : set.tokens[static_cast<std::size_t>(i)].ids)
          for (index c = 0; c < 3; ++c) logits[static_cast<std::size_t>(i * 3 + c)] += shown(id, c);
      distil.use_logits(view<const double, 2>(logits.data(), set.size(), 3));
    }
    std::vector<std::span<const std::ptrdiff_t>> spans(batches.begin(), batches.end());
    const normaliser counts = counts_of_step(spans, set, 3);
    gradient.fill(0);
    values = {0, 0};
    for (const auto& batch : batches)
      distil.accumulate({}, set, batch, counts, {.keeps = true}, 0, weights.seen_flat(), gradient.flat(), values);
  }
};

const batch_list whole{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}};

TEST_CASE("a distillation step's gradient agrees with central differences") {
  word_distillation d;
  d.step(whole);
  const matrix<> gradient = d.gradient;
  CHECK(slope_error(d.weights, gradient, [&] {
          d.step(whole);
          return d.values[0] + d.values[1];
        }) <= 1e-9);
}

TEST_CASE("micro-batches of any size give the gradient and the value of the whole batch") {
  word_distillation d;
  d.set.labels[3] = d.set.labels[8] = no_label;
  d.step(whole);
  const matrix<> gradient = d.gradient;
  const auto values = d.values;
  for (const batch_list& split :
       {batch_list{{0}, {1, 2, 3}, {4, 5, 6, 7, 8, 9}}, batch_list{{9, 1}, {3}, {8, 0, 2, 4, 5, 6, 7}},
        batch_list{{3, 8}, {0, 1, 2, 4, 5, 6, 7, 9}}}) {
    d.step(split);
    CHECK(largest_gap(gradient.seen(), d.gradient.seen()) <= 1e-14);
    for (std::size_t t = 0; t < 2; ++t) CHECK(d.values[t] == Approx(values[t]).epsilon(1e-13));
  }
}

TEST_CASE("each term's gradient is that of a distillation with this term alone, and nothing is left of it") {
  const sample_set set = small_samples(10, false);
  const word_sum model(20, 3);
  const matrix<> weights(20, 3, 1), shown(20, 3, 2);
  const auto soft = [] {
    return named_term<executor_type, double>{"soft", {}, soft_target_kl{.over = divisor::samples}, false};
  };
  const auto hard = [] {
    return named_term<executor_type, double>{
        "hard", {.from = 0.5}, cross_entropy{.ignore_index = no_label, .over = divisor::rows}, true, false};
  };
  const auto distiller_of = [&](std::vector<named_term<executor_type, double>> terms) {
    return distiller<word_sum, executor_type, double>(model, {&model, shown.seen_flat(), {}}, std::move(terms));
  };
  const std::vector<std::ptrdiff_t> chosen{1, 4, 6, 7};
  const std::vector<std::span<const std::ptrdiff_t>> spans{chosen};
  const normaliser counts = counts_of_step(spans, set, 3);
  std::vector<matrix<>> alone(2, matrix<>(20, 3));
  std::vector<double> value{0};
  distiller_of({soft()}).accumulate({}, set, chosen, counts, {.keeps = true}, 0, weights.seen_flat(), alone[0].flat(),
                                    value);
  distiller_of({hard()}).accumulate({}, set, chosen, counts, {.keeps = true}, 0, weights.seen_flat(), alone[1].flat(),
                                    value);
  auto both = distiller_of({soft(), hard()});
  matrix<> gradient(20, 3, 7);  // of something else
  std::vector<std::size_t> seen;
  both.each_term_gradient({}, set, chosen, counts, {.keeps = true}, 0, weights.seen_flat(), gradient.flat(),
                          [&](std::size_t term) {
                            seen.push_back(term);
                            CHECK(largest_gap(gradient.seen(), alone[term].seen()) == 0);
                          });
  CHECK(seen == std::vector<std::size_t>{0, 1});
  CHECK(largest_gap(gradient.seen(), matrix<>(20, 3).seen()) == 0);
}

TEST_CASE("counts of a step are those of all its samples, rows those with a label") {
  sample_set set = small_samples(6, false);  // lengths 3 4 5 6 3 4
  set.labels[1] = no_label;
  const std::vector<std::ptrdiff_t> a{0, 1}, b{5};
  const std::vector<std::span<const std::ptrdiff_t>> step{a, b};
  const normaliser n = counts_of_step(step, set, 3);
  CHECK(n.samples == 3);
  CHECK(n.rows == 2);
  CHECK(n.tokens == 11);
  CHECK(n.pairs == 9 + 16 + 16);
  CHECK(n.elements == 9);
}

TEST_CASE("samples without a label learn from the teacher alone, and a step of them divides by no 0") {
  word_distillation d;
  for (auto& label : d.set.labels) label = no_label;
  d.step(whole);
  CHECK(d.values[1] == 0);
  CHECK(d.values[0] > 0);
  for (index i = 0; i < d.gradient.count(); ++i) REQUIRE(std::isfinite(d.gradient.data()[i]));
}

TEST_CASE("kept logits of another number of samples are refused before they are read") {
  const sample_set set = small_samples(4, false);
  const word_sum model(20, 3);
  const matrix<> weights(20, 3, 1), logits(3, 3, 2);
  std::vector<named_term<executor_type, double>> terms;
  terms.push_back({"soft", {}, soft_target_kl{}, false});
  distiller<word_sum, executor_type, double> distil(model, {&model, weights.seen_flat(), {}}, std::move(terms));
  distil.use_logits(logits.seen());
  matrix<> gradient(20, 3);
  std::vector<double> values{0};
  const std::vector<std::ptrdiff_t> chosen{0};
  CHECK_THROWS_WITH(
      distil.accumulate({}, set, chosen, {}, {.keeps = true}, 0, weights.seen_flat(), gradient.flat(), values),
      "distiller: what is kept is of 3 samples, the set has 4");
  CHECK(values == std::vector<double>{0});
}

/// Gives sample i of the set the share i / 10, and keeps what it was asked.
struct fixed_sharing final : sample_sharing<executor_type, double> {
  std::vector<std::ptrdiff_t> asked;
  void shares(const executor_type&, const sharing_batch<double>& batch, const view<double, 1>& share) override {
    for (index i = 0; i < share.extent(0); ++i) {
      asked.push_back(batch.chosen[static_cast<std::size_t>(i)]);
      share(i) = static_cast<double>(asked.back()) / 10;
    }
    CHECK(batch.seen.logits.extent(0) == share.extent(0));
    CHECK(batch.shown.logits.extent(0) == share.extent(0));
    CHECK(batch.given.row_weight.extent(0) == share.extent(0));
  }
};

TEST_CASE(
    "shares weigh the teacher's term, what is left of them the label's, and without a label the teacher has all") {
  sample_set set = small_samples(10, false);
  set.labels[3] = no_label;
  const word_sum model(20, 3);
  matrix<> weights(20, 3, 1), shown(20, 3, 2), gradient(20, 3);
  fixed_sharing sharing;
  const auto values_of = [&](std::vector<std::ptrdiff_t> chosen, bool shares) {
    std::vector<named_term<executor_type, double>> terms;
    terms.push_back({"soft", {}, soft_target_kl{}, false, true, {}});
    terms.push_back({"hard", {}, cross_entropy{.ignore_index = no_label}, true, false, {}});
    if (shares) terms[0].samples.by = sample_weighting::rule::rw_kd;
    if (shares) terms[1].samples.by = sample_weighting::rule::rw_kd_rest;
    distiller<word_sum, executor_type, double> distil(model, {&model, shown.seen_flat(), {}}, std::move(terms));
    CHECK(distil.shares_samples() == shares);
    distil.use_sharing(&sharing);
    std::vector<double> values{0, 0};
    gradient.fill(0);
    distil.accumulate({}, set, chosen, {}, {.keeps = true}, 0, weights.seen_flat(), gradient.flat(), values);
    CHECK(distil.shares().samples == (shares ? chosen : std::vector<std::ptrdiff_t>{}));
    return values;
  };
  std::vector<double> want{0, 0};
  const std::vector<std::ptrdiff_t> chosen{7, 3, 0, 5};
  for (const std::ptrdiff_t i : chosen) {
    const double share = i == 3 ? 1 : static_cast<double>(i) / 10;
    const auto alone = values_of({i}, false);
    want[0] += share * alone[0];
    want[1] += (1 - share) * alone[1];
  }
  const auto found = values_of(chosen, true);
  for (std::size_t t = 0; t < 2; ++t) CHECK(found[t] == Approx(want[t]).epsilon(1e-13));
  const matrix<> slopes = gradient;
  CHECK(slope_error(weights, slopes, [&] {
          const auto now = values_of(chosen, true);
          return now[0] + now[1];
        }) <= 1e-9);
  CHECK(std::vector(sharing.asked.begin(), sharing.asked.begin() + 4) == chosen);
}

TEST_CASE("gradients of single terms have the shares that the step had, and ask nobody again") {
  const sample_set set = small_samples(10, false);
  const word_sum model(20, 3);
  const matrix<> weights(20, 3, 1), shown(20, 3, 2);
  matrix<> whole(20, 3), gradient(20, 3), sum(20, 3);
  std::vector<named_term<executor_type, double>> terms;
  terms.push_back({"soft", {}, soft_target_kl{}, false, true, {sample_weighting::rule::rw_kd}});
  terms.push_back({"hard", {}, cross_entropy{}, true, false, {sample_weighting::rule::rw_kd_rest}});
  distiller<word_sum, executor_type, double> distil(model, {&model, shown.seen_flat(), {}}, std::move(terms));
  fixed_sharing sharing;
  distil.use_sharing(&sharing);
  std::vector<double> values{0, 0};
  const std::vector<std::ptrdiff_t> chosen{7, 3, 5}, others{7, 3, 1};
  const auto each = [&](const std::vector<std::ptrdiff_t>& samples) {
    distil.each_term_gradient({}, set, samples, {}, {.keeps = true}, 0, weights.seen_flat(), gradient.flat(),
                              [&](std::size_t) {
                                for (index i = 0; i < sum.count(); ++i) sum.data()[i] += gradient.data()[i];
                              });
  };
  CHECK_THROWS_WITH(each(chosen), "distiller: these are not the samples whose shares are known");
  distil.accumulate({}, set, chosen, {}, {.keeps = true}, 0, weights.seen_flat(), whole.flat(), values);
  CHECK_THROWS_AS(each(others), contract_error);
  each(chosen);
  CHECK(largest_gap(whole.seen(), sum.seen()) <= 1e-14);
  CHECK(sharing.asked == chosen);
}

TEST_CASE("a distiller whose samples are shared by nobody says so") {
  const sample_set set = small_samples(4, false);
  const word_sum model(20, 3);
  matrix<> weights(20, 3, 1), gradient(20, 3);
  std::vector<named_term<executor_type, double>> terms;
  terms.push_back({"hard", {}, cross_entropy{}, true, false, {sample_weighting::rule::rw_kd_rest}});
  distiller<word_sum, executor_type, double> distil(model, {}, std::move(terms));
  std::vector<double> values{0};
  const std::vector<std::ptrdiff_t> chosen{0};
  CHECK_THROWS_WITH(
      distil.accumulate({}, set, chosen, {}, {.keeps = true}, 0, weights.seen_flat(), gradient.flat(), values),
      "distiller: nobody decides the shares of samples, which use_sharing() says");
}

TEST_CASE("a term's weight over the run scales its value and its gradient") {
  sample_set set = small_samples(4, false);
  const word_sum model(20, 3);
  const matrix<> weights(20, 3, 1);
  const std::vector<std::ptrdiff_t> chosen{0, 1, 2, 3};
  const auto run = [&](double progress) {
    std::vector<named_term<executor_type, double>> terms;
    terms.push_back({"hard", {schedule_kind::linear, 4, 1}, cross_entropy{}, true, false});
    distiller<word_sum, executor_type, double> distil(model, {}, std::move(terms));
    CHECK_FALSE(distil.reads_teacher_logits());
    matrix<> gradient(20, 3);
    std::vector<double> values{0};
    distil.accumulate({}, set, chosen, {}, {.keeps = true}, progress, weights.seen_flat(), gradient.flat(), values);
    return std::pair(values[0], std::sqrt(inner_product(gradient.seen(), gradient.seen())));
  };
  CHECK(run(0).first == Approx(4 * run(1).first));
  CHECK(run(0).second == Approx(4 * run(1).second));
  CHECK(run(0.5).first == Approx(2.5 * run(1).first));
}

}  // namespace
}  // namespace limbeck
