// Labels that are wrong on purpose.
#include "limbeck/data/label_noise.hpp"

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"

using namespace limbeck;

namespace {

dataset labelled_set(int classes, int examples) {
  dataset set;
  set.task.name = "made";
  for (int c = 0; c < classes; ++c) set.task.label_names.push_back("class " + std::to_string(c));
  for (int i = 0; i < examples; ++i) {
    set.examples.emplace_back();
    set.examples.back().label = i % classes;
  }
  return set;
}
std::vector<std::int32_t> labels_with(int classes, int examples, const label_noise& noise) {
  dataset set = labelled_set(classes, examples);
  add_label_noise(set, noise);
  std::vector<std::int32_t> labels;
  for (const example& e : set.examples) labels.push_back(e.label);
  return labels;
}

}  // namespace

TEST_CASE("label noise gives a share of the labels another class, each as likely", "[label_noise]") {
  const int classes = 4, examples = 20000;
  const double share = 0.3;
  const auto labels = labels_with(classes, examples, {share, 7});
  std::vector<int> moved(classes, 0);
  for (int i = 0; i < examples; ++i)
    ++moved[static_cast<std::size_t>((labels[static_cast<std::size_t>(i)] - i % classes + classes) % classes)];
  const double expected = examples * share / (classes - 1), five_sigma = 5 * std::sqrt(expected);
  for (std::size_t by = 1; by < 4; ++by) CHECK(std::abs(moved[by] - expected) < five_sigma);
}

TEST_CASE("label noise of 0 leaves all labels, of 1 none", "[label_noise]") {
  CHECK(labels_with(3, 50, {0, 1}) == labels_with(3, 50, {}));
  const auto all = labels_with(2, 50, {1, 1});
  for (int i = 0; i < 50; ++i) CHECK(all[static_cast<std::size_t>(i)] == 1 - i % 2);
}

TEST_CASE("label noise is a function of the seed and the place of the example", "[label_noise]") {
  const auto all = labels_with(3, 100, {0.5, 3});
  auto first = labels_with(3, 40, {0.5, 3});
  CHECK(std::vector(all.begin(), all.begin() + 40) == first);
  CHECK(labels_with(3, 40, {0.5, 4}) != first);
}

TEST_CASE("label noise refuses shares that are none, and scores", "[label_noise]") {
  for (const double share : {-0.1, 1.1, std::nan("")}) {
    CAPTURE(share);
    CHECK_THROWS_AS(labels_with(2, 4, {share, 0}), contract_error);
  }
  dataset scores = labelled_set(2, 4);
  scores.task.metrics = {"pearson"};
  REQUIRE(scores.task.regression());
  CHECK_THROWS_AS(add_label_noise(scores, {0.1, 0}), contract_error);
}
