// Labels of how a teacher did, by hand: on either side of both thresholds, at ties and at the thresholds themselves.
#include "limbeck/losses/teacher_predictions.hpp"

#include <cmath>
#include <vector>

#include "catch.hpp"

namespace limbeck {
namespace {

std::vector<std::int32_t> teacher_predictions_of(const std::vector<float>& logits,
                                                 const std::vector<std::int32_t>& labels,
                                                 const confidence_thresholds& above,
                                                 std::vector<float>* confidence = nullptr) {
  std::vector<std::int32_t> out(labels.size(), -1);
  if (confidence != nullptr) confidence->assign(labels.size(), -1);
  ptp_labels(view<const float, 2>(logits.data(), labels.size(), logits.size() / labels.size()),
             view<const std::int32_t, 1>(labels.data(), labels.size()), above,
             view<std::int32_t, 1>(out.data(), out.size()),
             confidence != nullptr ? view<float, 1>(confidence->data(), confidence->size()) : view<float, 1>());
  return out;
}

}  // namespace

TEST_CASE("ptp_labels tells right from wrong and confident from not, each with its own threshold") {
  // most likely with 3/4 each time
  const auto high = static_cast<float>(std::log(3.0));
  const std::vector<float> logits{high, 0, 0, high, high, 0, 0, high};
  const std::vector<std::int32_t> labels{0, 0, 0, 1};
  std::vector<float> confidence;
  CHECK(teacher_predictions_of(logits, labels, {.correct = 0.7, .wrong = 0.8}, &confidence) ==
        std::vector<std::int32_t>{0, 3, 0, 0});
  for (const float p : confidence) CHECK(p == Approx(0.75).epsilon(1e-6));
  CHECK(teacher_predictions_of(logits, labels, {.correct = 0.8, .wrong = 0.7}) ==
        std::vector<std::int32_t>{1, 2, 1, 1});
}

TEST_CASE("ptp_labels: the first of equal classes is meant, and a confidence at the threshold is not above it") {
  CHECK(teacher_predictions_of({0, 0, 0, 0}, {0, 1}, {.correct = 0.5, .wrong = 0.5}) ==
        std::vector<std::int32_t>{1, 3});
  CHECK(teacher_predictions_of({0, 0, 0, 0}, {0, 1}, {.correct = 0.49, .wrong = 0.49}) ==
        std::vector<std::int32_t>{0, 2});
  std::vector<float> confidence;
  CHECK(teacher_predictions_of({1e4F, -1e4F, -INFINITY}, {0}, {}, &confidence) == std::vector<std::int32_t>{0});
  CHECK(confidence[0] == 1);
}

TEST_CASE("median_thresholds: the mean of the middle two of an even number, and a row at the median is not above it") {
  const auto high = static_cast<float>(std::log(3.0)), higher = static_cast<float>(std::log(9.0));
  const std::vector<float> logits{high, 0, higher, 0, 0, high, 0, 0, 0, higher};  // 3/4, 9/10, 3/4, 1/2, 9/10
  const std::vector<std::int32_t> labels{0, 0, 0, 0, 0};
  const view<const float, 2> teacher(logits.data(), 5, 2);
  const view<const std::int32_t, 1> given(labels.data(), 5), few(labels.data(), 4);
  const confidence_thresholds above = median_thresholds(teacher, given);
  CHECK(above.correct == Approx(0.75).epsilon(1e-6));
  CHECK(above.wrong == Approx((0.75 + 0.9) / 2).epsilon(1e-6));
  CHECK(teacher_predictions_of(logits, labels, above) == std::vector<std::int32_t>{1, 0, 3, 1, 2});
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(median_thresholds(teacher, few), Contains("median_thresholds: 4 labels for 5 rows"));
}

TEST_CASE("ptp_labels refuses what does not fit") {
  const std::vector<float> logits(6);
  const std::vector<std::int32_t> labels{0, 3};
  std::vector<std::int32_t> out(2);
  const view<const float, 2> teacher(logits.data(), 2, 3);
  const view<const std::int32_t, 1> given(labels.data(), 2), few(labels.data(), 1);
  const view<std::int32_t, 1> all(out.data(), 2);
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(ptp_labels(teacher, few, {}, all), Contains("1 labels, 2 places and 0 confidences for 2 rows"));
  CHECK_THROWS_WITH(ptp_labels(teacher, given, {}, all), Contains("row 1 has label 3, there are 3 classes"));
  CHECK_THROWS_WITH(ptp_labels(teacher, given, {.correct = 1.5}, all), Contains("threshold 1.5"));
  CHECK_THROWS_WITH(ptp_labels(teacher, given, {.correct = 0.5, .wrong = -1}, all), Contains("threshold -1"));
}

}  // namespace limbeck
