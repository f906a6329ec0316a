// Where reference values lie, and how they are compared.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/io/tensor_source.hpp"

namespace limbeck_test {

/// The folder of reference values: LIMBECK_GOLDEN_DIR, or the copies in tests/golden.
inline std::filesystem::path golden_folder() {
  const char* const given = std::getenv("LIMBECK_GOLDEN_DIR");
  return given != nullptr && *given != '\0' ? given : LIMBECK_TEST_GOLDEN_DIR;
}

/// The folders in it that hold a file of that name, sorted.
inline std::vector<std::filesystem::path> folders_with(std::string_view file) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder()))
    if (entry.is_directory() && std::filesystem::exists(entry.path() / file)) found.push_back(entry.path());
  std::ranges::sort(found);
  return found;
}

/// A tensor of any shape, as numbers.
template <limbeck::readable T>
std::vector<T> numbers(const limbeck::tensor_source& file, const std::string& name) {
  return file.read<T>(name, file.at(name).shape);
}

/// max |got - want| of one tensor, and max |want|.
struct comparison {
  double gap = 0, size = 0;

  void see(double got, double want) {
    const double here = std::fabs(got - want);
    if (!(here <= gap)) gap = here;  // NaN too
    size = std::max(size, std::fabs(want));
  }
  /// Whether the gap is at most `tolerance` times the larger of 1 and the size.
  [[nodiscard]] bool within(double tolerance) const { return gap <= tolerance * std::max(1.0, size); }
};

/// Checks one tensor and names it where it fails.
inline void expect_close(const std::string& name, const comparison& found, double tolerance) {
  INFO(name << ": off by " << found.gap << ", largest value " << found.size << ", tolerance " << tolerance);
  CHECK(found.within(tolerance));
}
template <class T>
void expect_close(const std::string& name, limbeck::view<const T, 1> got, const std::vector<double>& want,
                  double tolerance) {
  INFO(name);
  REQUIRE(got.extent(0) == static_cast<limbeck::index>(want.size()));
  comparison found;
  for (std::size_t i = 0; i < want.size(); ++i)
    found.see(static_cast<double>(got(static_cast<limbeck::index>(i))), want[i]);
  expect_close(name, found, tolerance);
}

}  // namespace limbeck_test
