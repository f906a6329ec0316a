// Tests of limbeck/training/interruption.hpp.
#include "limbeck/training/interruption.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "catch.hpp"

namespace limbeck {
namespace {

TEST_CASE("SIGINT, SIGTERM and SIGHUP are heard, and their old handlers come back") {
  static volatile std::sig_atomic_t old = 0;
  std::signal(SIGINT, [](int) { old = old + 1; });
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    if (number != SIGINT) std::signal(number, SIG_DFL);  // nohup may have had it ignored
    const interruption stop;
    CHECK_FALSE(stop.asked());
    std::raise(number);
    CHECK(stop.asked());
  }
  CHECK(old == 0);
  std::raise(SIGINT);
  CHECK(old == 1);
  CHECK_FALSE(interruption().asked());
  std::signal(SIGINT, SIG_DFL);
}

TEST_CASE("a signal that is ignored stays ignored") {
  for (const int number : {SIGINT, SIGHUP}) {
    std::signal(number, SIG_IGN);
    {
      const interruption stop;
      std::raise(number);
      CHECK_FALSE(stop.asked());
    }
    CHECK(std::signal(number, SIG_DFL) == SIG_IGN);
  }
}

TEST_CASE("a second signal ends the process as ever") {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGINT, SIG_DFL);
    const interruption stop;
    std::raise(SIGINT);
    std::raise(SIGINT);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGINT);
}

}  // namespace
}  // namespace limbeck
