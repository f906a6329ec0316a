// Tests of limbeck/training/sample_weighting.hpp.
#include "limbeck/training/sample_weighting.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "catch.hpp"
#include "training/small_samples.hpp"

namespace limbeck {
namespace {

/// A teacher's logits of five samples of classes 0, 1, 0, 1, 0, the last of which the data do not label.
struct weighed_set {
  sample_set set = limbeck_test::small_samples(5, false);
  std::vector<float> logits{3, 0, 0, 1, 0, 2, 0, 0.1F, 4, 0};

  weighed_set() { set.labels[4] = no_label; }
  [[nodiscard]] std::vector<float> operator()(const std::string& rule) const {
    return weights_of_samples(cpu_executor<>{}, parse_sample_weighting(rule), view<const float, 2>(logits.data(), 5, 2),
                              set);
  }
};

TEST_CASE("samples count where the teacher is confident, and right if that is wanted") {
  const weighed_set w;
  CHECK(w("all").empty());
  CHECK(w("confident:0.7") == std::vector<float>{1, 1, 1, 0, 1});  // 0.95, 0.73, 0.88, 0.52, 0.98
  CHECK(w("confident:0") == std::vector<float>(5, 1));
  CHECK(w("correct:0.7") == std::vector<float>{1, 1, 0, 0, 1});  // the third is of class 0; none knows the fifth
  CHECK(w("correct:0") == std::vector<float>{1, 1, 0, 1, 1});
}

TEST_CASE("AdaKD weighs labelled samples by the teacher's losses and their mean, the label's term by the rest") {
  const weighed_set w;
  const std::vector<double> losses{std::log1p(std::exp(-3.0)), std::log1p(std::exp(-1.0)), std::log1p(std::exp(2.0)),
                                   std::log1p(std::exp(-0.1))};
  const double mean = (losses[0] + losses[1] + losses[2] + losses[3]) / 4;
  const std::vector<float> taught = w("adakd:1.5"), rest = w("adakd_rest:1.5");
  REQUIRE(taught.size() == 5);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(taught[i] == Approx(std::exp(-1 / std::sqrt(std::exp(-1.5 * (losses[i] - mean))))).epsilon(1e-5));
    CHECK(rest[i] == 1 - taught[i]);
  }
  CHECK(taught[4] == 1);
  CHECK(rest[4] == 0);
}

TEST_CASE("weightings that cannot be read are refused with those that can") {
  for (const char* text : {"", "some", "confident", "confident:", "confident:1.1", "correct:-0.1", "adakd:-1",
                           "adakd:x", "adakd:1:2", "all:1", "adakd:inf", "rw_kd:1", "rw_kd_"})
    CHECK_THROWS_WITH(parse_sample_weighting(text),
                      "samples=" + std::string(text) +
                          ", expected all, confident:LEAST or correct:LEAST (a probability), adakd:STEEPNESS or "
                          "adakd_rest:STEEPNESS (0 or more), rw_kd or rw_kd_rest");
  CHECK(parse_sample_weighting("adakd:2").number == 2);
  CHECK_FALSE(parse_sample_weighting("all").weighs());
  for (const char* text : {"rw_kd", "rw_kd_rest"}) {  // not known beforehand
    CHECK(parse_sample_weighting(text).shared());
    CHECK_FALSE(parse_sample_weighting(text).weighs());
  }
}

}  // namespace
}  // namespace limbeck
