// Tests of limbeck/recipes/study_plan_file.hpp.
#include "limbeck/recipes/study_plan_file.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "recipes/small_plan.hpp"

using namespace limbeck_test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using limbeck::json;

namespace {

std::string complaint_about(const char* patch) {
  return message_of<limbeck::file_error>([&] { (void)small_plan(json::parse(patch)); });
}

}  // namespace

TEST_CASE("a plan is read with all of its parts") {
  const limbeck::study_plan plan = small_plan(json::parse(R"({"design": "grid", "claims": [
    {"says": "KL helps", "factor": "map", "level": "kl", "is": "better"},
    {"says": "a tenth will do", "factor": "weight", "level": "0.1", "is": "same", "by": 0.01, "task": "sst-2"},
    {"says": "maps help", "factor": "map", "level": "none", "than": "kl", "is": "worse"}]})"));
  CHECK(plan.name == "small");
  CHECK(plan.question == "Which loss?");
  CHECK(plan.grid);
  CHECK_FALSE(small_plan().grid);
  CHECK(plan.places.at("data") == "/somewhere/data");
  CHECK(plan.variables.at("rows") == "64");
  CHECK(plan.steps.front().name == "teacher");
  CHECK(plan.base.verb == "distill");
  REQUIRE(plan.factors.size() == 2);
  CHECK(plan.factors[0].levels.size() == 3);
  CHECK(plan.factors[1].base == "1");
  CHECK(plan.factors[1].levels[0].sets.variables.at("w") == "0.1");
  CHECK(plan.task("sts-b").metric == "spearman");
  CHECK(plan.seeds == std::vector<std::uint64_t>{3, 5});
  REQUIRE(plan.claims.size() == 3);
  CHECK(plan.claims[0].than == "mse");
  CHECK(plan.claims[1].is == limbeck::study_claim::relation::same);
  CHECK(plan.claims[1].task == "sst-2");
  CHECK(plan.claims[2].than == "kl");
}

TEST_CASE("what is wrong with a plan is said with its place") {
  CHECK(complaint_about(R"({"sedes": [1]})") ==
        "plan.json: sedes: is no key of a plan, expected one of base, claims, "
        "design, factors, name, places, prepare, question, seeds, tasks, "
        "variables");
  CHECK(complaint_about(R"({"name": null})") == "plan.json: has no key \"name\"");
  CHECK(complaint_about(R"({"name": "a|b"})") == "plan.json: name: expected a name on one line, without |");
  CHECK(complaint_about(R"({"seeds": []})") == "plan.json: seeds: is empty, expected a seed");
  CHECK(complaint_about(R"({"seeds": [1, 1]})") == "plan.json: seeds: names a seed twice");
  CHECK_THAT(complaint_about(R"({"seeds": [-1]})"), StartsWith("plan.json: seeds[0]: is -1, expected an integer"));
  CHECK(complaint_about(R"({"tasks": []})") == "plan.json: tasks: is empty, expected a task");
  CHECK(complaint_about(R"({"tasks": [{"name": "a"}, {"name": "a"}]})") == "plan.json: tasks: names a twice");
  CHECK(complaint_about(R"({"design": "all"})") == "plan.json: design: is \"all\", expected one_at_a_time or grid");
  CHECK(complaint_about(R"({"base": {"arguments": {"output": "x"}}})") ==
        "plan.json: base.arguments.output: is for the study to say");
  CHECK_THAT(complaint_about(R"({"base": {"arguments": {"loss": {"a": 1}}}})"),
             Contains("base.arguments.loss: is an object"));
  CHECK(complaint_about(R"({"base": {"arguments": {"loss": ["a", [1]]}}})") ==
        "plan.json: base.arguments.loss[1]: expected a string or a number");
  CHECK(complaint_about(R"({"prepare": [{"name": "a/b", "verb": "x"}]})") ==
        "plan.json: prepare[0].name: is \"a/b\", expected letters, digits, - and _");
  CHECK(complaint_about(R"({"prepare": [{"name": "data", "verb": "x"}]})") ==
        "plan.json: prepare: has data, which means something else already");
  CHECK(complaint_about(R"({"variables": {"seed": "1"}})") ==
        "plan.json: variables: has seed, which means something else already");
  CHECK(complaint_about(R"({"factors": [{"name": "f", "base": "c", "levels": {"a": {}, "b": {}}}]})") ==
        "plan.json: factors[0].base: is \"c\", expected one of the levels");
}

TEST_CASE("a claim is about levels, tasks and relations that there are") {
  const auto about = [](const std::string& claim) {
    return complaint_about((R"({"claims": [{"says": "x", "factor": "map", )" + claim + "}]}").c_str());
  };
  CHECK(about(R"("level": "kl", "is": "nicer")") ==
        "plan.json: claims[0].is: is \"nicer\", expected better, worse or same");
  CHECK(about(R"("level": "k", "is": "better")") == "plan.json: claims[0].level: is \"k\", expected a level of map");
  CHECK(about(R"("is": "better")") == "plan.json: claims[0]: has no key \"level\"");
  CHECK(about(R"("level": "mse", "is": "better")") == "plan.json: claims[0].level: is compared with itself");
  CHECK(about(R"("level": "kl", "is": "same")") == "plan.json: claims[0]: needs a positive \"by\" to be within");
  CHECK(about(R"("level": "kl", "is": "worse", "task": "rte")") ==
        "plan.json: claims[0].task: is \"rte\", expected a task of the plan");
  CHECK(complaint_about(R"({"claims": [{"says": "x", "factor": "m", "level": "a", "is": "better"}]})") ==
        "plan.json: claims[0].factor: is \"m\", expected a factor of the plan");
}

TEST_CASE("places and variables get other values from outside, and nothing else does") {
  const scratch_folder folder;
  put(folder / "plan.json", small_plan_text().dump());
  const auto plan = limbeck::read_study_plan(folder / "plan.json", {{"data", "elsewhere"}, {"rows", "7"}});
  CHECK(plan.places.at("data") == "elsewhere");
  CHECK(plan.variables.at("rows") == "7");
  CHECK_THROWS_WITH(limbeck::read_study_plan(folder / "plan.json", {{"w", "1"}}), Contains("set: w is no place"));
}
