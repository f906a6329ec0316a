// Tests of limbeck/recipes/study_text.hpp.
#include "limbeck/recipes/study_text.hpp"

#include <string>
#include <vector>

#include "catch.hpp"

using Catch::Matchers::Contains;
using limbeck::estimate;
using limbeck::estimate_mean;
using limbeck::json;
using limbeck::study_claim;
using limbeck::study_difference;
using limbeck::study_summary;

namespace {

study_summary small_summary() {
  // 0.01 +- 4.3027 * 0.001 / sqrt(3): 0.0075 .. 0.0125; detectable (4.3027 + 1.0607) * 0.001 / sqrt(3)
  const study_difference difference{"map", "kl", "mse", "rte", estimate_mean(std::vector<double>{0.009, 0.010, 0.011})};
  const study_claim claim{.says = "KL is better", .factor = "map", .level = "kl", .than = "mse", .task = "rte"};
  return {.name = "small",
          .question = "Which?",
          .planned = 9,
          .finished = 4,
          .metrics = {{"rte", "accuracy"}},
          .steps = {{"teacher", "rte", 0.75}},
          .means = {{"rte", "base", estimate_mean(std::vector<double>{0.5}), {0.5}}},
          .differences = {difference},
          .verdicts = {{claim, difference}}};
}

}  // namespace

TEST_CASE("tables have every number, its interval, and a dash for what is not known") {
  const std::string text = markdown_of(small_summary());
  CHECK_THAT(text, Catch::StartsWith("# small\n\nWhich?\n\n4 of 9 cells are finished.\n"));
  CHECK_THAT(text, Contains("\n| KL is better | map = kl is better than mse | rte | 3 | +0.0100 | +0.0075 .. +0.0125 | "
                            "0.0031 | confirmed |\n"));
  CHECK_THAT(text, Contains("\n## Differences from the base\n\n"
                            "| level | than | task | n | difference | 95 % interval | detectable | verdict |\n"
                            "| --- | --- | --- | ---: | ---: | ---: | ---: | --- |\n"
                            "| map = kl | mse | rte | 3 | +0.0100 | +0.0075 .. +0.0125 | 0.0031 | better |\n"));
  CHECK_THAT(text, Contains("\n## rte: accuracy\n\n| levels | n | mean | standard deviation | 95 % interval |\n"
                            "| --- | ---: | ---: | ---: | ---: |\n| base | 1 | 0.5000 | – | – .. – |\n"));
  CHECK_THAT(text, Contains("\n| teacher | rte | 0.7500 |\n"));
}

TEST_CASE("the object has the same, and null for what is not known") {
  const json all = json_of(small_summary());
  CHECK(all["cells"] == json{{"planned", 9}, {"finished", 4}});
  CHECK(all["prepared"] == json::parse(R"([{"step": "teacher", "task": "rte", "value": 0.75}])"));
  CHECK(all["means"][0] ==
        json::parse(R"({"task": "rte", "levels": "base", "n": 1, "mean": 0.5, "deviation": null, "low": null,
                                "high": null, "detectable": null, "single": [0.5]})"));
  const json& difference = all["differences"][0];
  CHECK(difference["verdict"] == "better");
  CHECK(difference["low"].get<double>() == Approx(0.01 - 4.302653 * 0.001 / std::sqrt(3.0)));
  CHECK(difference["detectable"].get<double>() == Approx((4.302653 + 1.060660) * 0.001 / std::sqrt(3.0)));
  CHECK(all["claims"][0]["verdict"] == "confirmed");
  CHECK(all["claims"][0]["claim"] == "map = kl is better than mse");
}

TEST_CASE("a claim is put in words with its margin") {
  study_claim claim{.says = "x", .factor = "map", .level = "kl", .than = "mse", .by = 0.01};
  CHECK(limbeck::detail::claim_text(claim) == "map = kl is better than mse by more than 0.0100");
  claim.is = study_claim::relation::same;
  CHECK(limbeck::detail::claim_text(claim) == "map = kl is the same as mse to within 0.0100");
}
