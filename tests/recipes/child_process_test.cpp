// Tests of limbeck/recipes/child_process.hpp.
#include "limbeck/recipes/child_process.hpp"

#include <chrono>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"

using namespace limbeck_test;
using limbeck::child_process;

namespace {

child_process shell(const scratch_folder& folder, const std::string& script) {
  return child_process({"/bin/sh", "-c", script}, folder / "complaints");
}

int status_of(child_process& child) {
  while (true) {
    if (const auto status = child.ended()) return *status;
    child_process::wait_for_any({&child}, 1000);
  }
}

bool is_there(pid_t number) { return ::kill(number, 0) == 0; }

}  // namespace

TEST_CASE("a child's last line, complaints and status are heard") {
  const scratch_folder folder;
  child_process child = shell(folder, "echo first; echo last; echo oh dear >&2; exit 3");
  CHECK(status_of(child) == 3);
  CHECK(child.last_line() == "last");
  CHECK(get(folder / "complaints") == "oh dear\n");
  CHECK(child.ended() == 3);  // still known
}

TEST_CASE("a last line needs no end, may be one of many, and may be missing") {
  const scratch_folder folder;
  child_process open = shell(folder, "printf 'a\\nb'");
  CHECK(status_of(open) == 0);
  CHECK(open.last_line() == "b");
  child_process many = shell(folder, "i=0; while [ $i -lt 40000 ]; do echo line $i; i=$((i+1)); done");
  CHECK(status_of(many) == 0);
  CHECK(many.last_line() == "line 39999");
  child_process silent = shell(folder, "");
  CHECK(status_of(silent) == 0);
  CHECK(silent.last_line().empty());
}

TEST_CASE("a child that is asked to stop ends by SIGTERM unless it knows better") {
  const scratch_folder folder;
  child_process child = shell(folder, "sleep 100");
  child.ask_to_stop();
  CHECK(status_of(child) == 128 + SIGTERM);
  child_process polite = shell(folder, "trap 'echo bye; exit 130' TERM; echo ready; while :; do sleep 0.01; done");
  while (polite.last_line() != "ready") {
    child_process::wait_for_any({&polite}, 1000);
    CHECK_FALSE(polite.ended());
  }
  polite.ask_to_stop();
  CHECK(status_of(polite) == 130);
  CHECK(polite.last_line() == "bye");
}

TEST_CASE("a child reads nothing, and has arguments as they are") {
  const scratch_folder folder;
  child_process child({"/bin/sh", "-c", "cat; echo \"$1\"", "sh", "a 'b' $c *"}, folder / "complaints");
  CHECK(status_of(child) == 0);
  CHECK(child.last_line() == "a 'b' $c *");
}

TEST_CASE("what a child left behind does not keep it from having ended") {
  const scratch_folder folder;
  child_process child = shell(folder, "sleep 3 & echo done");  // which has its standard output
  const auto started = std::chrono::steady_clock::now();
  CHECK(status_of(child) == 0);
  CHECK(child.last_line() == "done");
  CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(3));
}

TEST_CASE("a child goes with its object") {
  const scratch_folder folder;
  pid_t number = 0;
  {
    child_process child = shell(folder, "echo $$; exec sleep 100");
    while (child.last_line().empty()) {
      child_process::wait_for_any({&child}, 1000);
      (void)child.ended();
    }
    number = std::stoi(child.last_line());
    const child_process moved(std::move(child));
    CHECK(is_there(number));
  }
  CHECK_FALSE(is_there(number));
}

TEST_CASE("what cannot be run ends with status 127, and a file that cannot be written is named") {
  const scratch_folder folder;
  child_process child({(folder / "missing").string()}, folder / "complaints");
  CHECK(status_of(child) == 127);
  CHECK(get(folder / "complaints") == "the program cannot be run\n");
  CHECK_THROWS_WITH(child_process({"/bin/sh"}, folder / "no" / "such"), Catch::Contains("cannot be written"));
  CHECK_THROWS_AS(child_process({}, folder / "complaints"), limbeck::contract_error);
}
