// Tests of limbeck/recipes/study_record.hpp.
#include "limbeck/recipes/study_record.hpp"

#include <string>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "recipes/small_plan.hpp"

using namespace limbeck_test;
using limbeck::json;
using limbeck::read_study_record;
using limbeck::study_record;

TEST_CASE("a record goes on after what was committed, without a torn line") {
  const scratch_folder folder;
  const auto file = folder / "cells.jsonl";
  const auto cells = limbeck::cells_of(small_plan(), "out").cells;
  study_record(file).commit(cells[0], {{"accuracy", 0.5}}, 2);
  const std::string whole = get(file);
  put(file, whole + R"({"step":1,"key":)");
  CHECK(read_study_record(file).size() == 1);
  {
    study_record record(file);
    CHECK(get(file) == whole);
    CHECK(record.results().at(cells[0].run.key) == json{{"accuracy", 0.5}});
    record.commit(cells[1], {{"accuracy", nullptr}}, 3);
    CHECK(record.results().size() == 2);
  }
  const auto lines = limbeck::read_run_record(file);
  REQUIRE(lines.size() == 2);
  CHECK(lines[1].raw() == json{{"step", 1},
                               {"key", cells[1].run.key},
                               {"task", cells[1].task},
                               {"seed", 3},
                               {"levels", cells[1].levels},
                               {"run", cells[1].run.what},
                               {"seconds", 3.0},
                               {"result", {{"accuracy", nullptr}}}});
  CHECK(get(file).starts_with(whole));
}

TEST_CASE("no record is an empty one, and lines that are no cells are refused by number") {
  const scratch_folder folder;
  const auto file = folder / "cells.jsonl";
  CHECK(read_study_record(file).empty());
  const auto complaint = [&](const std::string& text) {
    put(file, text);
    return message_of<limbeck::file_error>([&] { (void)study_record(file); });
  };
  const std::string good = R"({"step":0,"key":"a","result":{}})";
  CHECK(complaint(good + "\n").empty());
  CHECK(complaint(good + "\n" + good + "\n") == file.string() + ": line 2, key: comes twice");
  CHECK(complaint(good + "\n{\"step\":1}\n") == file.string() + ": line 2: has no key \"result\"");
  CHECK(complaint("{\"step\":1,\"key\":\"a\",\"result\":1}\n") ==
        file.string() + ": line 1, result: is 1, expected an object");
}
