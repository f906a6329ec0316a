// Gives every file of a corpus to its target once: what ever broke a reader is a test from then on, with any compiler.
//
//   usage: fuzz_replay SUBJECT FOLDER
#include <cstdio>
#include <exception>
#include <filesystem>

#include "fuzz/fuzz_target.hpp"
#include "io/scratch_folder.hpp"

int main(int count, char** arguments) {
  const auto& targets = limbeck_test::fuzz_targets();
  const auto target = count == 3 ? targets.find(arguments[1]) : targets.end();
  if (target == targets.end()) {
    std::fprintf(stderr, "usage: fuzz_replay SUBJECT FOLDER\n");
    return 2;
  }
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(arguments[2])) {
    std::printf("%s\n", entry.path().c_str());
    std::fflush(stdout);  // the last line before a fault names its file
    try {
      target->second(limbeck_test::get(entry.path()));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "a reader let through: %s\n", error.what());
      return 1;
    }
    ++files;
  }
  std::printf("%d files\n", files);
  return files > 0 ? 0 : 1;
}
