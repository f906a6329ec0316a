// Messages of words and numbers.
#include "limbeck/core/message.hpp"

#include <cstdint>
#include <limits>

#include "catch.hpp"

namespace limbeck {
namespace {

TEST_CASE("a message shows words as they are and numbers as std::to_string does") {
  const std::string name = "rows";
  CHECK(message("layer ", 3, " of ", std::size_t{2}, " layers") == "layer 3 of 2 layers");
  CHECK(message(name, ": ", std::string_view("none")) == "rows: none");
  CHECK(message(-1, " ", std::numeric_limits<std::int64_t>::min()) == "-1 -9223372036854775808");
  CHECK(message(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
  CHECK(message(0.5F, " ", -2.25) == std::to_string(0.5) + " " + std::to_string(-2.25));
}

}  // namespace
}  // namespace limbeck
