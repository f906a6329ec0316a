// Tests of limbeck/io/atomic_file.hpp: the old file or the new one, never a part.
#include "limbeck/io/atomic_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"

using namespace limbeck_test;
using Catch::Matchers::Contains;
using limbeck::atomic_file;
using limbeck::write_file;
using names = std::vector<std::string>;

TEST_CASE("an atomic_file replaces the old file when it is committed, and not before") {
  const scratch_folder folder;
  put(folder / "a", "old");
  const std::string large(200'000, 'x');
  {
    atomic_file out(folder / "a");
    out.write("new ");
    out.write(large);
    out.write("!");
    CHECK(get(folder / "a") == "old");
    out.commit();
    CHECK(get(folder / "a") == "new " + large + "!");
    CHECK_THROWS_AS(out.write("more"), limbeck::contract_error);
    CHECK_THROWS_AS(out.commit(), limbeck::contract_error);
  }
  CHECK(folder.names() == names{"a"});
}

TEST_CASE("an atomic_file that is not committed leaves the old file and no temporary") {
  const scratch_folder folder;
  put(folder / "a", "old");
  { atomic_file(folder / "a").write(std::string(200'000, 'x')); }
  CHECK(get(folder / "a") == "old");
  CHECK(folder.names() == names{"a"});
}

TEST_CASE("a disk that is full when the last bytes leave the buffer is noticed by commit") {
  const scratch_folder folder;
  atomic_file out(folder / "a");
  out.write(std::string(5000, 'x'));
  {
    const small_files full(1000);
    CHECK_THROWS_AS(out.commit(), limbeck::file_error);
  }
  CHECK(folder.names().empty());
}

TEST_CASE("a target that cannot be written is refused with its cause before anything is done") {
  const scratch_folder folder;
  std::filesystem::create_directory(folder / "sub");
  const auto message = [](const std::filesystem::path& target) {
    return message_of<limbeck::file_error>([&] { write_file(target, "x"); });
  };
  CHECK_THAT(message(folder / "missing/a"), Contains("missing/a: cannot be written: No such file or directory"));
  CHECK_THAT(message(folder / "sub"), Contains("sub: is no ordinary file"));
  CHECK_THAT(message("/dev/full"), Contains("/dev/full: is no ordinary file"));
  CHECK_THAT(message("/proc/limbeck"), Contains("/proc/limbeck: cannot be written: "));
  CHECK(folder.names() == names{"sub"});
}

TEST_CASE("a folder or a file that is read-only is refused, and stays as it was") {
  const ordinary_user user;
  const scratch_folder folder;
  put(folder / "a", "old");
  const auto message = [&] { return message_of<limbeck::file_error>([&] { write_file(folder / "a", "new"); }); };
  ::chmod(folder.path.c_str(), 0555);
  CHECK_THAT(message(), Contains("a: cannot be written: Permission denied"));
  ::chmod(folder.path.c_str(), 0755);
  ::chmod((folder / "a").c_str(), 0444);
  CHECK_THAT(message(), Contains("a: cannot be written: Permission denied"));
  CHECK(get(folder / "a") == "old");
  CHECK(folder.names() == names{"a"});
}

TEST_CASE("a link still leads to the file that was replaced, which keeps its permissions") {
  const scratch_folder folder;
  put(folder / "a", "old");
  ::chmod((folder / "a").c_str(), 0640);
  std::filesystem::create_symlink("a", folder / "link");
  write_file(folder / "link", "new");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(get(folder / "a") == "new");
  CHECK(std::filesystem::status(folder / "a").permissions() == std::filesystem::perms(0640));
}

TEST_CASE("write_file writes an empty file, a name without folder and a name of 255 bytes") {
  const scratch_folder folder;
  write_file(folder / std::string(255, 'n'), "long");
  CHECK(get(folder / std::string(255, 'n')) == "long");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path);
  write_file("plain", "");
  std::filesystem::current_path(before);
  CHECK(std::filesystem::file_size(folder / "plain") == 0);
}
