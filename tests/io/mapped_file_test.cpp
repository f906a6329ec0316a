// Tests of limbeck/io/mapped_file.hpp.
#include "limbeck/io/mapped_file.hpp"

#include <sys/stat.h>

#include <string>
#include <type_traits>
#include <utility>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "limbeck/io/atomic_file.hpp"

using namespace limbeck_test;
using Catch::Matchers::Contains;
using limbeck::mapped_file;

static_assert(!std::is_copy_constructible_v<mapped_file>);

TEST_CASE("a mapped_file shows the bytes, and keeps them when it moves or the file is replaced") {
  const scratch_folder folder;
  const std::string text = std::string("a\0b", 3) + std::string(10'000, 'c');
  put(folder / "a", text);
  mapped_file first(folder / "a");
  CHECK(first.text() == text);
  limbeck::write_file(folder / "a", "new");
  mapped_file second(std::move(first));
  CHECK(second.text() == text);
  CHECK(second.bytes().size() == text.size());
  second = mapped_file(folder / "a");
  CHECK(second.text() == "new");
}

TEST_CASE("a mapped_file refuses what is missing, empty or no ordinary file, with its name") {
  const scratch_folder folder;
  put(folder / "empty", "");
  ::mkfifo((folder / "pipe").c_str(), 0600);
  const auto message = [&](const char* name) {
    return message_of<limbeck::file_error>([&] { mapped_file(folder / name); });
  };
  CHECK_THAT(message("missing"), Contains("missing: cannot be read: No such file or directory"));
  CHECK_THAT(message("empty"), Contains("empty: is empty"));
  CHECK_THAT(message("."), Contains("is a folder, expected a file"));
  CHECK_THAT(message("pipe"), Contains("pipe: is no ordinary file"));
}
