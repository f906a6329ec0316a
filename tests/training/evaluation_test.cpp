// Tests of limbeck/training/evaluation.hpp.
#include "limbeck/training/evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/models/initialise.hpp"
#include "training/small_samples.hpp"
#include "training/word_sum.hpp"

namespace limbeck {
namespace {

using limbeck_test::matrix, limbeck_test::small_samples, limbeck_test::word_sum;

TEST_CASE("logits come in the order of the set, whatever the size of the batches") {
  const sample_set set = small_samples(10, false);
  const word_sum model(20, 3);
  const matrix<> weights(20, 3, 1);
  for (const index batch_size : {1, 4, 7, 16}) {
    std::vector<index> steps;
    const auto logits = logits_of(cpu_executor<>{}, model, weights.seen_flat(), set, {.samples = batch_size},
                                  [&](index done) { steps.push_back(done); });
    REQUIRE(logits.size() == 30);
    for (std::size_t i = 0; i < 10; ++i)
      for (index c = 0; c < 3; ++c) {
        double want = 0;
        for (const std::int32_t id : set.tokens[i].ids) want += weights(id, c);
        CHECK(logits[i * 3 + static_cast<std::size_t>(c)] == want);
      }
    CHECK(steps.back() == 10);
    CHECK(static_cast<index>(steps.size()) == (10 + batch_size - 1) / batch_size);
  }
}

TEST_CASE("logits are looked at and nothing is kept, in batches of as many tokens as are asked for") {
  word_sum model(20, 3);
  std::vector<pass_mode> modes;
  model.modes = &modes;
  const matrix<> weights(20, 3, 1);
  (void)logits_of(cpu_executor<>{}, model, weights.seen_flat(), small_samples(8, false), {.tokens = 11});
  CHECK(modes.size() == 4);  // 6; 6; 5 and 5; 4 and 4 and 3; 3
  for (const pass_mode& mode : modes) CHECK((!mode.keeps && mode.dropout == 0 && mode.attention_dropout == 0));
}

TEMPLATE_TEST_CASE("an encoder's logits are those of each sample alone, whatever batches it is looked at in", "", float,
                   double) {
  const bert_classifier model = make_bert_classifier(
      {.vocabulary = 20, .positions = 12, .types = 2, .layers = 3, .width = 24, .heads = 3, .inner = 48}, 3);
  std::vector<TestType> weights(static_cast<std::size_t>(model.parameters().size()));
  initialise(model.parameters(), 4, view<TestType, 1>(weights.data(), weights.size()), 0.3);
  const sample_set set = small_samples(40, false);
  const auto logits = [&](const batch_limits& most) {
    return logits_of(cpu_executor<>{}, model, view<const TestType, 1>(weights.data(), weights.size()), set, most);
  };
  const std::vector<TestType> alone = logits({.tokens = 1});
  double largest = 0;
  for (const TestType z : alone) largest = std::max(largest, std::abs(static_cast<double>(z)));
  REQUIRE(largest > 0.1);
  const double tolerance = (std::is_same_v<TestType, float> ? 1e-6 : 1e-14) * std::max(1.0, largest);
  for (const batch_limits& most :
       {batch_limits{}, batch_limits{.tokens = 13}, batch_limits{.tokens = 50}, batch_limits{.samples = 7}}) {
    const std::vector<TestType> found = logits(most);
    for (std::size_t i = 0; i < alone.size(); ++i)
      CHECK(std::abs(static_cast<double>(found[i]) - static_cast<double>(alone[i])) <= tolerance);
    CHECK(found == logits(most));  // the same bits each time
  }
}

TEST_CASE("the best class is that of the largest logit, the first of equals") {
  const std::vector<double> logits{1, 3, 2, 5, 5, 0, -1, -2, -0.5};
  CHECK(best_classes<double>(logits, 3) == std::vector<std::int32_t>{1, 0, 2});
}

TEST_CASE("probabilities sum to 1 also where logits are huge") {
  const std::vector<float> row{1e4F, 1e4F, -1e4F};
  const auto p = probabilities_of<float>(row);
  CHECK(p == std::vector<double>{0.5, 0.5, 0});
}

TEST_CASE("the calibration error is 0 where confidence is deserved and large where it is not") {
  const double sure = std::log(0.9 / 0.1);  // of class 0
  std::vector<double> logits;
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 10; ++i) {
    logits.insert(logits.end(), {sure, 0});
    labels.push_back(i == 0 ? 1 : 0);
  }
  CHECK(calibration_error<double>(logits, 2, labels) == Approx(0).margin(1e-12));
  for (auto& label : labels) label = 1;
  CHECK(calibration_error<double>(logits, 2, labels) == Approx(0.9));
  CHECK(calibration_error<double>({}, 2, {}) == 0);
  const auto bins = confidence_bins<double>(logits, 2, labels);
  REQUIRE(bins.size() == 15);
  for (std::size_t b = 0; b < 15; ++b) CHECK(bins[b].count == (b == 13 ? 10 : 0));  // 0.9 of 15 parts
  CHECK(bins[13].confidence == Approx(9));
  CHECK(bins[13].right == 0);
}

TEST_CASE("the task's metrics come in its order, undefined ones without a value") {
  sample_set set = small_samples(4, false);
  set.task.metrics = {"f1", "accuracy", "matthews", "f1_macro"};
  const std::vector<float> logits{1, 0, 0, 1, 0, 1, 0, 1};  // 0 1 1 1 for 0 1 0 1
  const metric_values found = metrics_of<float>(set, logits, 2);
  REQUIRE(found.size() == 4);
  CHECK(found[0] == std::pair<std::string, std::optional<double>>("f1", 0.8));
  CHECK(found[1] == std::pair<std::string, std::optional<double>>("accuracy", 0.75));
  CHECK(*found[2].second == Approx(1 / std::sqrt(3.0)));
  CHECK(*found[3].second == Approx((0.8 + 2.0 / 3) / 2));

  sample_set scores = small_samples(4, true);
  scores.task.metrics = {"pearson", "spearman"};
  const metric_values rising = metrics_of<float>(scores, std::vector<float>{1, 2, 3, 4}, 1);
  CHECK(*rising[0].second == Approx(1));
  CHECK(*rising[1].second == Approx(1));
  CHECK_FALSE(metrics_of<float>(scores, std::vector<float>{2, 2, 2, 2}, 1)[0].second);
}

TEST_CASE("two models agree as often as they name the same class, regressors as their scores correlate") {
  const std::vector<float> a{1, 0, 0, 1}, b{1, 0, 2, 1};
  CHECK(agreement<float>(a, b, 2) == 0.5);
  CHECK(*agreement<float>(a, a, 1) == Approx(1));
  CHECK_FALSE(agreement<float>(a, std::vector<float>{3, 3, 3, 3}, 1));
}

}  // namespace
}  // namespace limbeck
