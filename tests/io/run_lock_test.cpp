// Tests of limbeck/io/run_lock.hpp.
#include "limbeck/io/run_lock.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
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

TEST_CASE("a folder that is missing cannot be locked") {
  CHECK_THAT(message_of<limbeck::file_error>([] { run_lock("/nowhere/at/all"); }),
             Contains("/nowhere/at/all: cannot be locked: No such file or directory"));
}
