// Tests of limbeck/training/console.hpp.
#include "limbeck/training/console.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "catch.hpp"
#include "io/scratch_folder.hpp"

namespace limbeck {
namespace {

/// What `call` writes to stderr, which is a file meanwhile.
template <class Call>
std::string written(Call&& call) {
  const limbeck_test::scratch_folder folder;
  const int before = ::dup(2), file = ::open((folder / "stderr").c_str(), O_WRONLY | O_CREAT, 0600);
  ::dup2(file, 2);
  call();
  std::fflush(stderr);
  ::dup2(before, 2);
  ::close(before);
  ::close(file);
  return limbeck_test::get(folder / "stderr");
}

TEST_CASE("a quiet console says nothing at all") {
  CHECK(written([] {
          console out(true);
          out.say("a line");
          for (index i = 0; i <= 8; ++i) out.progress("work", i, 8);
          out.clear();
          CHECK(out.quiet());
        }).empty());
}

TEST_CASE("where there is no terminal progress is a plain line at every quarter") {
  CHECK(written([] {
          console out;
          out.say("a line");
          for (index i = 0; i <= 8; ++i) out.progress("work", i, 8, "loss 1");
          out.clear();
          out.progress("nothing", 0, 0);
          out.progress("one", 1, 1);
        }) == "a line\nwork 2/8 loss 1\nwork 4/8 loss 1\nwork 6/8 loss 1\nwork 8/8 loss 1\none 1/1 \n");
}

}  // namespace
}  // namespace limbeck
