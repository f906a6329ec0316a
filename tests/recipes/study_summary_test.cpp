// Tests of limbeck/recipes/study_summary.hpp.
#include "limbeck/recipes/study_summary.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "recipes/small_plan.hpp"

using namespace limbeck_test;
using limbeck::json;
using limbeck::study_cell;
using limbeck::study_results;
using limbeck::study_summary;

namespace {

const json seeds{{"seeds", {0, 1, 2, 3}}};

/// The summary of a study whose cells have that value, each under its task's metric.
study_summary summary_of(const json& patch, const std::function<json(const study_cell&)>& value) {
  const limbeck::study_plan plan = small_plan(patch);
  const auto cells = limbeck::cells_of(plan, "out").cells;
  study_results results;
  for (const study_cell& c : cells)
    if (const json v = value(c); v.is_object()) results[c.run.key] = v;
  return limbeck::summarise(plan, cells, results);
}

const limbeck::study_difference& difference(const study_summary& s, const std::string& level, const std::string& task) {
  return *std::ranges::find_if(s.differences, [&](const auto& d) { return d.level == level && d.task == task; });
}

/// A value a task, a level and a seed, that differs from seed to seed more than from level to level.
double value_of(const study_cell& c) {
  const auto seed = static_cast<double>(c.seed);
  return 0.5 + 0.1 * seed + (c.task == "sts-b" ? 0.2 : 0) +
         (c.levels.at("map") == "kl" ? 0.01 + 0.001 * seed * seed : 0) +
         (c.levels.at("weight") == "0.1" ? 0.002 * seed : 0);
}
json result_of(const study_cell& c) {
  return c.task == "sts-b" ? json{{"pearson", 9}, {"spearman", value_of(c)}}
                           : json{{"seconds", 9}, {"accuracy", value_of(c)}};
}

}  // namespace

TEST_CASE("means are of the task's metric, over seeds") {
  const study_summary s = summary_of(seeds, result_of);
  CHECK(s.planned == 32);
  CHECK(s.finished == 32);
  CHECK(s.metrics == std::map<std::string, std::string>{{"sst-2", "accuracy"}, {"sts-b", "spearman"}});
  REQUIRE(s.means.size() == 8);
  CHECK(s.means[0].levels == "base");
  CHECK(s.means[1].levels == "map = kl");
  CHECK(s.means[3].levels == "weight = 0.1");
  CHECK(s.means[4].task == "sts-b");
  CHECK(s.means[0].value.mean == Approx(0.65));
  CHECK(s.means[4].value.mean == Approx(0.85));
  CHECK(s.means[0].value.deviation == Approx(0.1 * std::sqrt(5.0 / 3)));
}

TEST_CASE("differences are paired by seed, so what seeds share does not hide them") {
  const study_summary s = summary_of(seeds, result_of);
  const auto& d = difference(s, "kl", "sst-2");
  CHECK(d.than == "mse");
  CHECK(d.value.count == 4);
  CHECK(d.value.mean == Approx(0.01 + 0.001 * 14 / 4));  // squares 0 1 4 9
  CHECK(d.value.deviation == Approx(0.001 * std::sqrt(49.0 / 3)));
  CHECK(d.verdict() == "better");
  const auto& all = difference(s, "kl", "");
  CHECK(all.value.count == 8);
  CHECK(all.value.mean == Approx(d.value.mean));
  CHECK(all.value.error == Approx(d.value.error / std::sqrt(2.0)));
  CHECK(all.value.freedom == Approx(6.0));
  CHECK(difference(s, "0.1", "sst-2").verdict() == "undecided");   // 0 2 4 6 thousandths: 3 +- 4.1
  CHECK(difference(s, "none", "sst-2").verdict() == "undecided");  // all pairs are equal
}

TEST_CASE("cells that are missing, or have no number, are in no pair") {
  const study_summary s = summary_of(seeds, [](const study_cell& c) {
    if (c.levels.at("map") == "kl" && c.seed == 2) return json();
    if (c.levels.at("map") == "mse" && c.levels.at("weight") == "1" && c.task == "sst-2" && c.seed == 0)
      return json{{"accuracy", nullptr}};
    return result_of(c);
  });
  CHECK(s.finished == 30);
  CHECK(s.means[0].value.count == 3);
  CHECK(difference(s, "kl", "sst-2").value.count == 2);
  CHECK(difference(s, "kl", "sts-b").value.count == 3);
  CHECK(difference(s, "kl", "").value.count == 5);
  CHECK(difference(s, "0.1", "sst-2").value.count == 3);
}

TEST_CASE("nothing is decided before there are two pairs, and nothing fails") {
  for (const std::uint64_t seeds_done : {0U, 1U}) {
    const study_summary s =
        summary_of(seeds, [&](const study_cell& c) { return c.seed < seeds_done ? result_of(c) : json(); });
    CHECK(s.finished == 8 * seeds_done);
    for (const auto& d : s.differences) CHECK(d.verdict() == "undecided");
  }
}

TEST_CASE("in a grid a level is compared over all that the other factors are") {
  json patch = seeds;
  patch["design"] = "grid";
  patch["factors"] = small_plan_text()["factors"];
  patch["factors"][0]["levels"].erase("none");
  const auto value = [](const study_cell& c) {  // a tenth of the weight turns the effect of kl round
    const double gain = c.levels.at("map") != "kl" ? 0 : c.levels.at("weight") == "1" ? 0.03 : -0.01;
    const double x = 0.5 + gain + 0.001 * static_cast<double>(c.seed) * (c.levels.at("map") == "kl" ? 1 : 0);
    return json{{"accuracy", x}, {"spearman", x}};
  };
  const study_summary s = summary_of(patch, value);
  CHECK(s.means.size() == 8);
  CHECK(difference(s, "kl", "sst-2").value.count == 4);  // one pair a seed
  CHECK(difference(s, "kl", "sst-2").value.mean == Approx(0.01 + 0.0015));
}

TEST_CASE("claims are confirmed, refuted or undecided by the whole interval") {
  json patch = seeds;
  const auto claim = [](const char* level, const char* is, double by, const char* than = "mse") {
    return json{{"says", "x"}, {"factor", "map"}, {"level", level}, {"is", is},
                {"by", by},    {"than", than},    {"task", "sst-2"}};
  };
  // kl is better than mse by 0.0135 with the 95 % interval 0.0071 .. 0.0199
  const std::vector<std::pair<json, std::string>> claims{
      {claim("kl", "better", 0), "confirmed"},     {claim("kl", "better", 0.007), "confirmed"},
      {claim("kl", "better", 0.008), "undecided"}, {claim("kl", "better", 0.021), "refuted"},
      {claim("kl", "worse", 0), "refuted"},        {claim("mse", "worse", 0, "kl"), "confirmed"},
      {claim("kl", "same", 0.021), "confirmed"},   {claim("kl", "same", 0.01), "undecided"},
      {claim("kl", "same", 0.005), "refuted"},     {claim("mse", "same", 0.005, "kl"), "refuted"},
      {claim("none", "better", 0), "undecided"},   {claim("none", "same", 0.01), "undecided"}};
  for (const auto& [text, verdict] : claims) patch["claims"].push_back(text);
  const study_summary s = summary_of(patch, result_of);
  REQUIRE(s.verdicts.size() == claims.size());
  CHECK(s.verdicts[0].difference.value.confidence().low == Approx(0.0071).epsilon(0.01));
  CHECK(s.verdicts[0].difference.value.confidence().high == Approx(0.0199).epsilon(0.01));
  for (std::size_t i = 0; i < claims.size(); ++i) {
    CAPTURE(claims[i].first.dump());
    CHECK(s.verdicts[i].verdict() == claims[i].second);
  }
}

TEST_CASE("a metric that results do not have is named") {
  const auto complaint = [](const char* metric, const json& result) {
    const json patch{{"tasks", {{{"name", "x"}, {"variables", {{"folder", "X"}}}, {"metric", metric}}}}};
    return message_of<limbeck::contract_error>(
        [&] { (void)summary_of(patch, [&](const study_cell&) { return result; }); });
  };
  CHECK(complaint("f2", {{"f1", 1}}) == "task x: the metric f2 is no number of a cell's result {\"f1\":1}");
  CHECK(complaint("", {{"loss", 1}}) == "task x: the metric (none named) is no number of a cell's result {\"loss\":1}");
  CHECK(complaint("f1", {{"f1", "high"}}) == "task x: the metric f1 is no number of a cell's result {\"f1\":\"high\"}");
}
