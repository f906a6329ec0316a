// Tests of limbeck/recipes/study_cells.hpp.
#include "limbeck/recipes/study_cells.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "recipes/small_plan.hpp"

using namespace limbeck_test;
using Catch::Matchers::Contains;
using limbeck::cells_of;
using limbeck::json;
using limbeck::study_cell;
using limbeck::study_cells;

namespace {

const study_cell& cell_with(const study_cells& all, const std::string& task, std::uint64_t seed, const std::string& map,
                            const std::string& weight) {
  return *std::ranges::find_if(all.cells, [&](const study_cell& c) {
    return c.task == task && c.seed == seed && c.levels.at("map") == map && c.levels.at("weight") == weight;
  });
}

std::set<std::string> keys_of(const study_cells& all) {
  std::set<std::string> keys;
  for (const study_cell& c : all.cells) keys.insert(c.run.key);
  return keys;
}

}  // namespace

TEST_CASE("one factor at a time: the base, and each other level of each factor, by tasks and seeds") {
  const study_cells all = cells_of(small_plan(), "out");
  CHECK(all.cells.size() == 4 * 2 * 2);
  CHECK(keys_of(all).size() == all.cells.size());
  for (const study_cell& c : all.cells) CHECK((c.levels.at("map") == "mse" || c.levels.at("weight") == "1"));
  CHECK(all.cells.front().levels == std::map<std::string, std::string>{{"map", "mse"}, {"weight", "1"}});
  const auto of_seed_3 = std::ranges::count(all.cells, std::uint64_t{3}, &study_cell::seed);
  CHECK(std::all_of(all.cells.begin(), all.cells.begin() + of_seed_3, [](const study_cell& c) { return c.seed == 3; }));
}

TEST_CASE("a grid has every combination") {
  json patch{{"design", "grid"}};
  patch["factors"] = small_plan_text()["factors"];
  patch["factors"][0]["levels"].erase("none");  // for which weights are the same run
  const study_cells all = cells_of(small_plan(patch), "out");
  CHECK(all.cells.size() == 2 * 2 * 2 * 2);
  std::set<std::map<std::string, std::string>> seen;
  for (const study_cell& c : all.cells) seen.insert(c.levels);
  CHECK(seen.size() == 4);
}

TEST_CASE("a cell's command has its task's, its level's and its seed's values in it") {
  const study_cells all = cells_of(small_plan(), "out");
  const study_cell& cell = cell_with(all, "sts-b", 5, "kl", "1");
  const limbeck::study_step& step = all.steps.at(cell.run.needs.at(0));
  CHECK(cell.run.command == std::vector<std::string>{"distill", "--data=/somewhere/data/STS-B",
                                                     "--learning-rate=0.0001", "--loss=regression_mse",
                                                     "--loss=attention_kl:weight=1", "--seed=5",
                                                     "--teacher=" + step.folder.string()});
  CHECK(cell_with(all, "sst-2", 3, "none", "1").run.command.at(3) == "--loss=cross_entropy");
  CHECK(cell_with(all, "sst-2", 3, "mse", "0.1").run.command.at(4) == "--loss=attention_mse:weight=0.1");
}

TEST_CASE("true is a flag, false and null are no argument and no part of the key") {
  const auto command = [](const char* arguments) {
    return cells_of(
               small_plan(
                   {{"factors", nullptr}, {"prepare", nullptr}, {"base", {{"arguments", json::parse(arguments)}}}}),
               "out")
        .cells.front()
        .run;
  };
  const auto with = command(R"({"teacher": "t", "loss": "x", "header": true})"),
             without = command(R"({"teacher": "t", "loss": "x", "header": false})"),
             silent = command(R"({"teacher": "t", "loss": "x"})");
  CHECK(std::ranges::count(with.command, std::string("--header")) == 1);
  CHECK(std::ranges::count(without.command, std::string("--header")) == 0);
  CHECK(without.key == silent.key);
  CHECK(with.key != silent.key);
}

TEST_CASE("cells whose steps come out the same share them") {
  const study_cells all = cells_of(small_plan(), "out");
  REQUIRE(all.steps.size() == 2);  // a teacher a task, whatever the seed and the levels
  CHECK(all.steps[0].folder == "out/prepared/teacher-" + all.steps[0].run.key);
  CHECK(all.steps[0].run.command ==
        std::vector<std::string>{"fine-tune", "--data=/somewhere/data/SST-2", "--epochs=3", "--limit=64"});
  json patch{{"prepare", small_plan_text()["prepare"]}};
  patch["prepare"][0]["arguments"]["seed"] = "${seed}";
  CHECK(cells_of(small_plan(patch), "out").steps.size() == 4);  // and a seed
  patch["prepare"][0]["arguments"]["seed"] = "${w}";
  CHECK(cells_of(small_plan(patch), "out").steps.size() == 4);  // or a weight
}

TEST_CASE("keys are those of what runs: the same elsewhere, others where anything differs that matters") {
  const auto keys = keys_of(cells_of(small_plan(), "out"));
  CHECK(keys_of(cells_of(small_plan({{"places", {{"data", "elsewhere"}}}}), "other")) == keys);
  CHECK(keys_of(cells_of(small_plan({{"name", "other"}, {"question", nullptr}}), "out")) == keys);
  for (const char* change :
       {R"({"variables": {"terms": "logits_mse", "rows": 65}})", R"({"base": {"verb": "pretrain"}})",
        R"({"base": {"arguments": {"epochs": 1}}})", R"({"seeds": [4, 6]})"})
    for (const std::string& key : keys_of(cells_of(small_plan(json::parse(change)), "out"))) {
      CAPTURE(change);
      CHECK_FALSE(keys.contains(key));
    }
}

TEST_CASE("a step that changes makes other cells of those that need it, and of no others") {
  json patch{{"prepare", small_plan_text()["prepare"]}};
  patch["prepare"][0]["arguments"]["epochs"] = 4;
  const auto before = cells_of(small_plan(), "out"), after = cells_of(small_plan(patch), "out");
  for (std::size_t i = 0; i < before.cells.size(); ++i) CHECK(before.cells[i].run.key != after.cells[i].run.key);
  const json alone{{"base", {{"arguments", {{"teacher", "elsewhere"}}}}}};
  json both = patch;
  both.update(alone);
  CHECK(keys_of(cells_of(small_plan(alone), "out")) == keys_of(cells_of(small_plan(both), "out")));
  CHECK(cells_of(small_plan(alone), "out").steps.empty());
}

TEST_CASE("a key that was given once stays what it was") {  // or finished cells would run again
  CHECK(cells_of(small_plan(), "out").cells.front().run.what.dump() ==
        R"({"arguments":{"data":"${data}/SST-2","learning-rate":0.0001,)"
        R"("loss":["cross_entropy","attention_mse:weight=1"],"seed":"3","teacher":"${teacher:)" +
            cells_of(small_plan(), "out").steps[0].run.key + R"(}"},"verb":"distill"})");
  CHECK(cells_of(small_plan(), "out").steps[0].run.key == "cb3085f912108885");
  CHECK(cells_of(small_plan(), "out").cells[0].run.key == "53f566422d9ad66f");
}

TEST_CASE("names that are nothing, and cells that are one run, are refused") {
  const auto complaint = [](const json& patch) {
    return message_of<limbeck::file_error>([&] { (void)cells_of(small_plan(patch), "out"); });
  };
  CHECK(complaint({{"base", {{"arguments", {{"data", "${dat}/x"}}}}}}) ==
        "plan.json: \"${dat}/x\": names dat, which is no place, no variable and no step before it");
  CHECK_THAT(complaint({{"base", {{"arguments", {{"data", "${data"}}}}}}), Contains("has no end of ${"));
  CHECK_THAT(complaint({{"variables", {{"terms", "${rows}"}, {"rows", "${terms}"}}}}), Contains("refers to itself"));
  CHECK_THAT(complaint({{"prepare", {{{"name", "teacher"}, {"verb", "x"}, {"arguments", {{"a", "${teacher}"}}}}}}}),
             Contains("names teacher, which is no place"));
  CHECK(complaint({{"base", {{"arguments", {{"loss", "x"}}}}}}) ==
        "plan.json: two cells are the same run: sst-2, seed 3, map = mse, weight = 1 and sst-2, seed 3, "
        "map = kl, weight = 1");
}

TEST_CASE("the plans of docs/studies make cells") {
  int plans = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LIMBECK_TEST_GOLDEN_DIR "/../../docs/studies")) {
    if (entry.path().extension() != ".json") continue;
    CAPTURE(entry.path().string());
    const limbeck::study_plan plan = limbeck::read_study_plan(entry.path());
    CHECK(cells_of(plan, "out").cells.size() >= plan.tasks.size() * plan.seeds.size());
    ++plans;
  }
  CHECK(plans > 0);
}

TEST_CASE("the students that study 2 fine-tunes are those that it pretrained") {
  const auto cells = [](const char* plan) {
    return cells_of(limbeck::read_study_plan(LIMBECK_TEST_GOLDEN_DIR "/../../docs/studies/" + std::string(plan)),
                    "out");
  };
  const study_cells pretrained = cells("2-weak-teachers.json"), tuned = cells("2-weak-teachers-sst-2.json");
  for (const study_cell& c : pretrained.cells)
    CHECK(std::ranges::any_of(tuned.steps, [&](const auto& step) { return step.run.key == c.run.key; }));
}
