// Tests of limbeck/training/metrics.hpp. tests/golden/metrics_test.cpp has reference values.
#include "limbeck/training/metrics.hpp"

#include <cstdint>
#include <vector>

#include "catch.hpp"

namespace limbeck {
namespace {

using classes = std::vector<std::int32_t>;
using scores = std::vector<double>;

TEST_CASE("metrics of classes agree with a case worked by hand") {
  //                 one true 0, two true 1, one 1 taken for 0, one 0 taken for 1, one true 2
  const classes labels{0, 1, 1, 1, 0, 2}, predictions{0, 1, 1, 0, 1, 2};
  CHECK(accuracy(labels, predictions) == Approx(4.0 / 6));
  CHECK(f1_of_class(labels, predictions) == Approx(2.0 / 3));
  CHECK(f1_of_class(labels, predictions, 0) == Approx(0.5));
  CHECK(f1_macro(labels, predictions) == Approx((0.5 + 2.0 / 3 + 1) / 3));
  // right 4, samples 6; labels and predictions have 2, 3, 1 of the classes: (24 - 14) / (36 - 14)
  CHECK(matthews(labels, predictions) == Approx(10.0 / 22));
}

TEST_CASE("matthews of two classes is the usual formula, and -1 where all is wrong") {
  const classes labels{1, 1, 1, 0, 0, 0, 0}, predictions{1, 1, 0, 0, 0, 1, 0};  // tp 2, fn 1, fp 1, tn 3
  CHECK(matthews(labels, predictions) == Approx((2.0 * 3 - 1) / 12));
  CHECK(matthews(classes{0, 1, 1, 0}, classes{1, 0, 0, 1}) == Approx(-1));
  CHECK(matthews(labels, labels) == Approx(1));
}

TEST_CASE("metrics of no sample are 0, correlations undefined") {
  CHECK(accuracy({}, {}) == 0);
  CHECK(f1_of_class({}, {}) == 0);
  CHECK(f1_macro({}, {}) == 0);
  CHECK(matthews({}, {}) == 0);
  CHECK_FALSE(pearson({}, {}));
  CHECK_FALSE(spearman({}, {}));
  CHECK_FALSE(pearson(scores{1}, scores{2}));
}

TEST_CASE("metrics refuse as many labels as predictions do not have") {
  const char* const message = "metrics: 2 labels, 3 predictions";
  CHECK_THROWS_WITH(accuracy(classes{0, 1}, classes{0, 1, 1}), message);
  CHECK_THROWS_WITH(f1_of_class(classes{0, 1}, classes{0, 1, 1}), message);
  CHECK_THROWS_WITH(f1_macro(classes{0, 1}, classes{0, 1, 1}), message);
  CHECK_THROWS_WITH(matthews(classes{0, 1}, classes{0, 1, 1}), message);
  CHECK_THROWS_WITH(pearson(scores{0, 1}, scores{0, 1, 1}), message);
  CHECK_THROWS_WITH(spearman(scores{0, 1}, scores{0, 1, 1}), message);
}

TEST_CASE("correlations agree with a case worked by hand") {
  const scores labels{1, 2, 3, 4}, predictions{2, 1, 4, 9};  // deviations -1.5 .. 1.5 and -2, -3, 0, 5
  CHECK(*pearson(labels, predictions) == Approx(12 / std::sqrt(5.0 * 38)));
  CHECK(*spearman(labels, predictions) == Approx(0.8));
  CHECK(*pearson(labels, scores{-1, -2, -3, -4}) == Approx(-1));
}

TEST_CASE("correlations do not change with scale and shift, nor lose digits far from 0") {
  const scores labels{1, 2, 3, 4}, predictions{2, 1, 4, 9};
  scores moved;
  for (const double x : predictions) moved.push_back(1e6 + 1e-3 * x);
  CHECK(*pearson(labels, moved) == Approx(*pearson(labels, predictions)).epsilon(1e-6));
  CHECK(*spearman(labels, moved) == *spearman(labels, predictions));
}

TEST_CASE("equal values share the mean of their ranks") {
  CHECK(detail::average_ranks(scores{3, 1, 3, 0}) == scores{3.5, 2, 3.5, 1});
  CHECK(detail::average_ranks(scores{7, 7, 7}) == scores{2, 2, 2});
}

}  // namespace
}  // namespace limbeck
