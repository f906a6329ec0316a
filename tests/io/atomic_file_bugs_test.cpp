// Known bugs of others, heading 26: what a kill or a full disk leaves of a file that was being saved.
#include "limbeck/io/atomic_file.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"

using namespace limbeck_test;
using Catch::Matchers::Contains;

TEST_CASE("bug_26b: a file whose writer is killed half-way is the old one", "[bugs]") {
  const scratch_folder folder;
  put(folder / "a", "old");
  const pid_t child = ::fork();
  if (child == 0) {
    limbeck::atomic_file out(folder / "a");
    out.write(std::string(200'000, 'x'));
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(get(folder / "a") == "old");
  limbeck::write_file(folder / "a", "new");  // what the killed one left is in nobody's way
  CHECK(get(folder / "a") == "new");

  const pid_t naive = ::fork();  // writes under the final name
  if (naive == 0) {
    std::ofstream out(folder / "a", std::ios::binary);
    out << std::string(200'000, 'x') << std::flush;
    ::kill(::getpid(), SIGKILL);
  }
  REQUIRE(::waitpid(naive, &status, 0) == naive);
  CHECK(get(folder / "a") == std::string(200'000, 'x'));  // what there is, whatever should have come
}

TEST_CASE("bug_26c: a disk that is full half-way leaves the old file and no temporary", "[bugs]") {
  const scratch_folder folder;
  put(folder / "a", "old");
  std::string message;
  {
    const small_files full(100'000);
    message = message_of<limbeck::file_error>([&] { limbeck::write_file(folder / "a", std::string(200'000, 'x')); });
    put(folder / "naive", std::string(200'000, 'x'));  // reports nothing, and a part lies under the final name
  }
  CHECK_THAT(message, Contains((folder / "a").string() + ": cannot be written: File too large"));
  CHECK(get(folder / "a") == "old");
  CHECK(std::filesystem::file_size(folder / "naive") == 100'000);
  CHECK(folder.names() == std::vector<std::string>{"a", "naive"});
}
