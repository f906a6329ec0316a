// Tests of limbeck/recipes/study.hpp. tests/program/study_test.py kills and stops studies.
#include "limbeck/recipes/study.hpp"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "recipes/small_plan.hpp"

using namespace limbeck_test;
using Catch::Matchers::Contains;
using limbeck::json;
using limbeck::run_lock;
using limbeck::run_study;
using limbeck::study_options;
using limbeck::study_report;

namespace {

/// Says what it was called with, one line a run; answers 0.5, and 0.25 for a seed of 5; leaves a file in its folder.
constexpr auto stand_in = R"(#!/bin/sh
here=$(dirname "$0")
echo "$@" >> "$here/calls"
for word; do
  case $word in
    --output=*) touch "${word#--output=}/left" ;;
    --seed=5) accuracy=0.25 ;;
  esac
done
test -e "$here/broken-$1" && { echo "no $1 today" >&2; exit 1; }
test -e "$here/silent-$1" && exit 0
echo "{\"accuracy\": ${accuracy:-0.5}, \"spearman\": 0.75}"
)";

struct small_study {
  scratch_folder folder{};
  study_options options{
      .plan = folder / "plan.json", .output = folder / "out", .set = {}, .program = folder / "program"};
  limbeck::console out{true};

  explicit small_study(const json& patch = json::object()) {
    json plan = small_plan_text();
    plan.merge_patch(patch);
    put(options.plan, plan.dump());
    put(options.program, stand_in);
    std::filesystem::permissions(options.program, std::filesystem::perms::owner_all);
  }
  study_report run() { return run_study(options, out); }
  [[nodiscard]] std::vector<std::string> calls() const {
    std::istringstream text(get(folder / "calls"));
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }
  [[nodiscard]] std::vector<std::string> cell_folders() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(options.output / "cells"))
      names.push_back(entry.path().filename().string());
    return names;
  }
};

}  // namespace

TEST_CASE("a study runs steps before the cells that need them, each once, and then nothing more") {
  small_study study;
  study.options.jobs = 3;
  study.options.threads = 7;
  const study_report report = study.run();
  CHECK_FALSE(report.interrupted);
  CHECK(report.failures.empty());
  CHECK(report.summary.finished == 16);
  const auto calls = study.calls();
  REQUIRE(calls.size() == 18);  // 16 cells, a teacher for each of two tasks
  CHECK(std::ranges::count_if(calls, [](const std::string& c) { return c.starts_with("fine-tune "); }) == 2);
  CHECK(calls.front().starts_with("fine-tune "));
  for (const std::string& call : calls)
    CHECK_THAT(call, Contains("--json --quiet --threads=2") && !Contains("--resume"));
  CHECK(report.summary.means.front().value.mean == Approx(0.375));
  REQUIRE(report.summary.steps.size() == 2);
  CHECK(report.summary.steps.back().value == 0.75);
  CHECK(study.cell_folders().empty());
  CHECK(get(study.options.output / "summary.md") == markdown_of(report.summary));
  CHECK(json::parse(get(study.options.output / "summary.json")) == json_of(report.summary));

  const std::string record = get(study.options.output / "cells.jsonl");
  std::filesystem::remove_all(study.options.output / "prepared");  // of no use any more
  CHECK(study.run().summary.finished == 16);
  CHECK(study.calls().size() == 18);
  CHECK(get(study.options.output / "cells.jsonl") == record);
}

TEST_CASE("cells that fail leave their complaint, and are run again afresh") {
  small_study study;
  put(study.folder / "broken-distill", "");
  const study_report failed = study.run();
  CHECK(failed.failures.size() == 16);
  CHECK(failed.failures.front() == "sst-2, seed 3, map = mse, weight = 1: ended with status 1: no distill today");
  CHECK(failed.summary.finished == 0);
  CHECK(study.cell_folders().size() == 16);  // the complaints alone
  for (const std::string& name : study.cell_folders()) CHECK_THAT(name, Catch::EndsWith(".log"));
  std::filesystem::rename(study.folder / "broken-distill", study.folder / "silent-distill");
  CHECK_THAT(study.run().failures.back(), Contains("printed no JSON object at its end: \"\""));
  std::filesystem::remove(study.folder / "silent-distill");
  CHECK(study.run().summary.finished == 16);
  CHECK(study.calls().size() == 2 + 3 * 16);
  CHECK(study.cell_folders().empty());
}

TEST_CASE("what needs a step that failed does not run") {
  small_study study;
  put(study.folder / "broken-fine-tune", "");
  const study_report failed = study.run();
  CHECK(failed.failures.size() == 18);
  CHECK(failed.failures.front() == "step teacher: ended with status 1: no fine-tune today");
  CHECK(failed.failures.back() == "sts-b, seed 5, map = mse, weight = 0.1: needs a step that failed");
  CHECK(study.calls().size() == 2);
  std::filesystem::remove(study.folder / "broken-fine-tune");
  CHECK(study.run().summary.finished == 16);
}

TEST_CASE("a cell that was stopped goes on, one that is kept stays") {
  small_study study(json{{"factors", nullptr},
                         {"seeds", {3}},
                         {"prepare", nullptr},
                         {"base", {{"arguments", {{"teacher", "t"}, {"loss", "x"}}}}}});
  study.options.keep = true;
  const auto cells = limbeck::cells_of(limbeck::read_study_plan(study.options.plan), study.options.output).cells;
  REQUIRE(cells.size() == 2);
  const auto stopped = study.options.output / "cells" / cells[0].run.key;
  std::filesystem::create_directories(stopped);
  put(stopped / "run.jsonl", "");
  CHECK(study.run().failures.empty());
  CHECK_THAT(study.calls().at(0), Contains(" --resume"));
  CHECK_THAT(study.calls().at(1), !Contains(" --resume"));
  CHECK(std::filesystem::exists(stopped / "left"));
  study.options.keep = false;
  CHECK(study.run().failures.empty());
  CHECK(study.cell_folders().empty());
}

TEST_CASE("steps that another study made, and cells that it kept, are links of a study that reuses it") {
  const json run{{"verb", "pretrain"}, {"arguments", {{"corpus", "x"}, {"seed", "${seed}"}}}};
  small_study first(json{{"factors", nullptr}, {"claims", nullptr}, {"prepare", nullptr}, {"base", nullptr}});
  json plan = json::parse(get(first.options.plan));
  plan["base"] = run;
  plan["tasks"] = json::array({{{"name", "text"}, {"metric", "spearman"}}});
  put(first.options.plan, plan.dump());
  first.options.keep = true;
  const std::size_t pretrained = first.run().summary.finished;
  CHECK(first.calls().size() == pretrained);

  small_study second;
  plan["prepare"] = json::array({run});
  plan["prepare"][0]["name"] = "student";
  plan["base"] = {{"verb", "fine-tune"}, {"arguments", {{"model", "${student}"}, {"task", "${task}"}}}};
  plan["tasks"] = json::array({{{"name", "rte"}}});
  put(second.options.plan, plan.dump());
  second.options.reuse = {first.options.output};
  const auto cells = std::filesystem::directory_iterator(first.options.output / "cells");
  bool torn = true;  // one of them is not whole
  for (const auto& cell : cells) {
    put(cell.path() / "run.jsonl", std::string(R"({"step":0,"event":")") + (torn ? "step" : "end") + "\"}\n");
    torn = false;
  }
  const study_report tuned = second.run();
  CHECK(tuned.failures.empty());
  CHECK(tuned.summary.finished == pretrained);
  CHECK(tuned.summary.steps.empty());  // what they reached is of another task
  CHECK(second.calls().size() == pretrained + 1);
  CHECK_THAT(second.calls().back(), Contains("prepared/student-"));
  for (const auto& step : std::filesystem::directory_iterator(second.options.output / "prepared"))
    CHECK(std::filesystem::exists(step.path() / "left"));

  std::filesystem::remove_all(first.options.output);  // links lead nowhere: the steps run again
  std::filesystem::remove(second.options.output / "cells.jsonl");
  second.options.reuse.clear();
  CHECK(second.run().failures.empty());
  CHECK(second.calls().size() == pretrained + 1 + pretrained - 1 + pretrained);
}

TEST_CASE("other cells of a plan that changed are run, and the finished ones stay in the record") {
  small_study study;
  (void)study.run();
  json plan = small_plan_text();
  plan["seeds"] = {5, 7};
  put(study.options.plan, plan.dump());
  const study_report report = study.run();
  CHECK(report.summary.finished == 16);
  CHECK(study.calls().size() == 18 + 8);
  CHECK(limbeck::read_study_record(study.options.output / "cells.jsonl").size() == 24);
  CHECK(limbeck::summarise_study(study.options).finished == 16);
}

TEST_CASE("a study that cannot be run is refused before anything runs") {
  small_study study;
  const auto with = [&](auto change) {
    study_options options = study.options;
    change(options);
    return message_of<std::exception>([&] { (void)run_study(options, study.out); });
  };
  CHECK(with([](study_options& o) { o.jobs = 0; }) == "jobs: must be 1 or more, not 0");
  CHECK(with([](study_options& o) { o.threads = -1; }) == "threads: must be 1 or more, not -1");
  CHECK_THAT(with([](study_options& o) { o.program = "missing"; }), Contains("missing: cannot be run"));
  CHECK_THAT(with([](study_options& o) { o.set = {{"x", "1"}}; }), Contains("set: x is no place"));
  CHECK_FALSE(std::filesystem::exists(study.options.output));
  std::filesystem::create_directory(study.options.output);
  const run_lock held(study.options.output);
  CHECK_THAT(with([](study_options&) {}), Contains("another run is writing into this folder"));
  CHECK_FALSE(std::filesystem::exists(study.folder / "calls"));
}
