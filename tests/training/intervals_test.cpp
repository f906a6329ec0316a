// Tests of limbeck/training/intervals.hpp.
#include "limbeck/training/intervals.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "catch.hpp"

namespace limbeck {
namespace {

TEST_CASE("Wilson's interval has the published values, and never leaves 0 to 1") {
  // Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3: four digits.
  struct published {
    double right, samples, low, high;
  };
  for (const auto& [right, samples, low, high] :
       {published{81, 263, 0.2553, 0.3662}, published{15, 148, 0.0624, 0.1605}, published{0, 20, 0, 0.1611},
        published{1, 29, 0.0061, 0.1718}}) {
    const confidence_interval found = wilson_interval(right, samples);
    CHECK(found.low == Approx(low).margin(5e-5));
    CHECK(found.high == Approx(high).margin(5e-5));
    const confidence_interval turned = wilson_interval(samples - right, samples);
    CHECK(turned.low == Approx(1 - found.high).margin(1e-12));
    CHECK(turned.high == Approx(1 - found.low).margin(1e-12));
  }
  CHECK(wilson_interval(0, 7).low == 0);
  CHECK(wilson_interval(7, 7).high == 1);
  CHECK(wilson_interval(0, 0) == confidence_interval{0, 1});
  CHECK_THROWS_WITH(wilson_interval(3, 2), "wilson_interval: 3.000000 right of 2.000000 samples");
}

TEST_CASE("the ends of Wilson's interval are the shares from which the sample lies z deviations away") {
  const double right = 37, samples = 50, z = 2.5, share = right / samples;
  const confidence_interval found = wilson_interval(right, samples, z);
  for (const double p : {found.low, found.high})
    CHECK(std::abs(share - p) == Approx(z * std::sqrt(p * (1 - p) / samples)));
}

TEST_CASE("quantiles lie on lines between neighbours") {
  const std::vector<double> sorted{1, 2, 4, 8};
  CHECK(quantile_of(sorted, 0) == 1);
  CHECK(quantile_of(sorted, 0.5) == 3);
  CHECK(quantile_of(sorted, 0.75) == 5);
  CHECK(quantile_of(sorted, 1) == 8);
  CHECK(quantile_of(std::vector<double>{3}, 0.4) == 3);
}

/// Pairs of normal numbers with a correlation of 0.6.
judged_samples correlated(std::uint32_t count) {
  judged_samples out;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto words = random_stream{.seed = 9}.at(i);
    const double radius = std::sqrt(-2 * std::log(unit_interval(words.word[0]))),
                 angle = 2 * std::acos(-1.0) * unit_interval(words.word[1]);
    const double x = radius * std::cos(angle), y = radius * std::sin(angle);
    out.scores.push_back(x);
    out.given.push_back(0.6 * x + 0.8 * y);
  }
  return out;
}

TEST_CASE("the bootstrap of a correlation agrees with Fisher's transformation where numbers are normal") {
  const judged_samples judged = correlated(800);
  const double r = *metric_of("pearson", judged), half = 1.959964 / std::sqrt(800.0 - 3);
  const auto found = intervals_of({"pearson"}, judged, {.draws = 4000}).front();
  REQUIRE(found.second);
  CHECK(found.first == "pearson");
  const double low = std::tanh(std::atanh(r) - half), high = std::tanh(std::atanh(r) + half);
  CHECK(found.second->low == Approx(low).margin(0.1 * (high - low)));
  CHECK(found.second->high == Approx(high).margin(0.1 * (high - low)));
}

TEST_CASE("the bootstrap of a metric of classes has the spread of its draws, and repeats itself") {
  judged_samples judged;
  for (int i = 0; i < 400; ++i) {
    judged.labels.push_back(i % 2);
    judged.predicted.push_back(i % 16 == 0 || i % 16 == 9 ? 1 - i % 2 : i % 2);  // an eighth of each class is wrong
  }
  // Matthews' coefficient is near 2 * accuracy - 1 here: twice the width of Wilson's interval
  const auto found = intervals_of({"accuracy", "matthews"}, judged);
  const confidence_interval accuracy = *found[0].second, matthews = *found[1].second;
  CHECK(accuracy == wilson_interval(350, 400));
  CHECK(matthews.high - matthews.low == Approx(2 * (accuracy.high - accuracy.low)).epsilon(0.15));
  CHECK((matthews.low < metric_of("matthews", judged) && matthews.high > metric_of("matthews", judged)));
  CHECK(*intervals_of({"matthews"}, judged)[0].second == matthews);
  CHECK_FALSE(*intervals_of({"matthews"}, judged, {.seed = 1})[0].second == matthews);
}

TEST_CASE("draws for which a metric is undefined are left out, and a metric that always is has no interval") {
  const judged_samples two{{}, {}, {1, 2}, {1, 2}};  // drawn anew, half of them are one sample twice
  CHECK(intervals_of({"spearman"}, two)[0].second->low == Approx(1));
  const judged_samples flat{{}, {}, {1, 2, 3}, {5, 5, 5}};
  CHECK_FALSE(intervals_of({"pearson"}, flat)[0].second);
}

}  // namespace
}  // namespace limbeck
