// Tests of limbeck/io/run_lock.hpp.
#include "limbeck/io/run_lock.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "catch.hpp"
#include "io/scratch_folder.hpp"

using namespace limbeck_test;
using Catch::Matchers::Contains;
using limbeck::run_lock;

TEST_CASE("a folder is held by one run_lock at a time, and empty afterwards") {
  const scratch_folder folder;
  {
    run_lock first(folder.path);
    const run_lock held(std::move(first));
    const auto message = message_of<limbeck::file_error>([&] { run_lock second(folder.path); });
    CHECK(message == folder.path.string() + ": another run is writing into this folder (process " +
                         std::to_string(::getpid()) + ")");
  }
  CHECK(folder.names().empty());
  CHECK_NOTHROW(run_lock(folder.path));
}

TEST_CASE("the lock of a killed process holds nobody up") {
  const scratch_folder folder;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const run_lock held(folder.path);
    (void)!::write(ready[1], "x", 1);
    ::pause();
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  CHECK_THROWS_AS(run_lock(folder.path), limbeck::file_error);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK_NOTHROW(run_lock(folder.path));
  CHECK(folder.names().empty());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("a lock that is a link is not followed, and what it names stays as it is") {
  const scratch_folder folder;
  put(folder / "precious", "precious");
  std::filesystem::create_symlink(folder / "precious", folder / ".limbeck.lock");
  CHECK_THAT(message_of<limbeck::file_error>([&] { run_lock lock(folder.path); }), Contains("cannot be locked"));
  CHECK(get(folder / "precious") == "precious");
}

TEST_CASE("the lock on a folder that was moved leaves alone the lock of the folder in its place") {
  const scratch_folder scratch;
  std::filesystem::create_directory(scratch / "run");
  std::optional<run_lock> first;
  first.emplace(scratch / "run");
  std::filesystem::rename(scratch / "run", scratch / "moved");
  std::filesystem::create_directory(scratch / "run");
  const run_lock second(scratch / "run");
  first.reset();
  CHECK(std::filesystem::exists(scratch / "run" / ".limbeck.lock"));
  CHECK_THROWS_AS(run_lock(scratch / "run"), limbeck::file_error);
  CHECK_NOTHROW(run_lock(scratch / "moved"));
}

TEST_CASE("a folder that is missing cannot be locked") {
  CHECK_THAT(message_of<limbeck::file_error>([] { run_lock("/nowhere/at/all"); }),
             Contains("/nowhere/at/all: cannot be locked: No such file or directory"));
}
