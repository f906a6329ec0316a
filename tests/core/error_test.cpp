// Errors: who they are, and what they say.
#include "limbeck/core/error.hpp"

#include <string>
#include <type_traits>

#include "catch.hpp"

namespace limbeck {
namespace {

static_assert(std::is_base_of_v<std::invalid_argument, contract_error>);
static_assert(std::is_base_of_v<std::runtime_error, file_error>);
static_assert(std::is_base_of_v<std::runtime_error, backend_error>);

TEST_CASE("expects throws its message where the condition fails") {
  CHECK_NOTHROW(expects(true, "never"));
  CHECK_THROWS_WITH(expects(false, "the temperature is 0"), "the temperature is 0");
  CHECK_THROWS_AS(expects(false, "x"), contract_error);
}

TEST_CASE("expects builds its message only where the condition fails") {
  int built = 0;
  const auto describe = [&] {
    ++built;
    return "layer " + std::to_string(12) + " of " + std::to_string(12);
  };
  CHECK_NOTHROW(expects(true, describe));
  CHECK(built == 0);
  CHECK_THROWS_WITH(expects(false, describe), "layer 12 of 12");
  CHECK(built == 1);
}

TEST_CASE("a file error names file, place and problem") {
  CHECK(std::string(file_error("train.tsv", "line 3", "no tab, expected 2").what()) ==
        "train.tsv: line 3: no tab, expected 2");
  CHECK(std::string(file_error("train.tsv", "", "cannot be opened").what()) == "train.tsv: cannot be opened");
}

}  // namespace
}  // namespace limbeck
