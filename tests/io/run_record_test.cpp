// Tests of limbeck/io/run_record.hpp: what is there after a kill, a resume, a full disk.
#include "limbeck/io/run_record.hpp"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"

using namespace limbeck_test;
using limbeck::file_error;
using limbeck::json;
using limbeck::read_run_record;
using limbeck::run_record;

namespace {

void append_steps(run_record& record, int begin, int end) {
  for (int step = begin; step < end; ++step) {
    record.append({{"step", step}, {"loss", 1.0 / (step + 1)}});
    if (step % 2 == 1) record.append({{"step", step}, {"accuracy", 0.1 * step}});
  }
}

}  // namespace

TEST_CASE("a run_record has a line for each object as soon as it was appended") {
  const scratch_folder folder;
  auto record = run_record::start(folder / "run.jsonl");
  record.append({{"step", 0}, {"loss", 0.1}});
  CHECK(get(folder / "run.jsonl") == "{\"loss\":0.1,\"step\":0}\n");
  record.append({{"step", 1}, {"loss", std::numeric_limits<double>::quiet_NaN()}, {"text", "two\nlines"}});
  record.sync();
  const auto records = read_run_record(folder / "run.jsonl");
  REQUIRE(records.size() == 2);
  CHECK(records[0].required<double>("loss") == 0.1);
  CHECK(!records[1].has("loss"));
  CHECK(records[1].place() == "line 2");
}

TEST_CASE("a resumed record equals the one of an unbroken run, byte for byte") {
  const scratch_folder folder;
  auto whole = run_record::start(folder / "whole");
  append_steps(whole, 0, 8);
  const int step = GENERATE(0, 1, 4, 6);
  const std::string torn = GENERATE("", "{\"step\":6,\"lo", "{");
  {
    auto record = run_record::start(folder / "run.jsonl");
    append_steps(record, 0, 6);
  }
  put(folder / "run.jsonl", get(folder / "run.jsonl") + torn);
  CHECK_NOTHROW(read_run_record(folder / "run.jsonl"));
  auto record = run_record::resume(folder / "run.jsonl", step);
  append_steps(record, step, 8);
  CHECK(get(folder / "run.jsonl") == get(folder / "whole"));
  CHECK(folder.names() == std::vector<std::string>{"run.jsonl", "whole"});
}

TEST_CASE("a record that was torn in its first line, or has none, can be resumed, but a missing one cannot") {
  const scratch_folder folder;
  put(folder / "run.jsonl", "{\"st");
  auto record = run_record::resume(folder / "run.jsonl", 0);
  append_steps(record, 0, 1);
  CHECK(read_run_record(folder / "run.jsonl").size() == 1);
  put(folder / "run.jsonl", "");
  CHECK(read_run_record(folder / "run.jsonl").empty());
  CHECK_NOTHROW(run_record::resume(folder / "run.jsonl", 3));
  CHECK_THROWS_AS(run_record::resume(folder / "missing", 3), file_error);
  CHECK_THROWS_AS(read_run_record(folder / "missing"), file_error);
}

TEST_CASE("a record whose folder was moved, or that was replaced, says so before a checkpoint relies on it") {
  const scratch_folder folder;
  auto record = run_record::start(folder / "run.jsonl");
  append_steps(record, 0, 1);
  CHECK_NOTHROW(record.sync());
  std::filesystem::rename(folder / "run.jsonl", folder / "moved");
  const std::string gone = (folder / "run.jsonl").string() + ": was removed or moved while the run wrote to it";
  CHECK(message_of<file_error>([&] { record.sync(); }) == gone);
  put(folder / "run.jsonl", "");
  CHECK(message_of<file_error>([&] { record.sync(); }) == gone);
}

TEST_CASE("complaints about a record name the line, and its file stays as it was") {
  const scratch_folder folder;
  const auto message = [&](const std::string& text) {
    put(folder / "run.jsonl", text);
    const std::string said = message_of<file_error>([&] { (void)run_record::resume(folder / "run.jsonl", 0); });
    CHECK(get(folder / "run.jsonl") == text);
    return said.substr(std::min(said.size(), (folder / "run.jsonl").string().size()));
  };
  CHECK(message("{\"step\":0}\n{\"loss\":1}\n") == ": line 2: has no key \"step\"");
  CHECK(message("{\"step\":0}\n\n{\"step\":1}\n").starts_with(": line 2: is not valid JSON"));
  CHECK(message("{\"step\":\"x\"}\n").starts_with(": line 1, step: is \"x\", expected an integer"));
  CHECK(message("[]\n") == ": line 1: is [], expected an object");
}

TEST_CASE("a line that does not fit on the disk leaves no part of it") {
  const scratch_folder folder;
  auto record = run_record::start(folder / "run.jsonl");
  record.append({{"step", 0}});
  const std::string before = get(folder / "run.jsonl");
  {
    const small_files full(20);
    CHECK_THROWS_AS(record.append({{"step", 1}, {"text", std::string(100, 'x')}}), file_error);
  }
  CHECK(get(folder / "run.jsonl") == before);
  record.append({{"step", 1}});
  CHECK(read_run_record(folder / "run.jsonl").size() == 2);
}

TEST_CASE("run_record takes objects with an integer step only") {
  const scratch_folder folder;
  auto record = run_record::start(folder / "run.jsonl");
  for (const json& wrong : {json(3), json::object(), json{{"step", 1.5}}, json{{"step", "1"}}})
    CHECK_THROWS_AS(record.append(wrong), limbeck::contract_error);
  CHECK(get(folder / "run.jsonl").empty());
}
