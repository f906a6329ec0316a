// Numbers in text: the whole of it, or nothing.
#include "limbeck/core/number.hpp"

#include <cstdint>

#include "catch.hpp"

using namespace limbeck;

TEST_CASE("a number is the whole text or nothing", "[number]") {
  CHECK(number_in<double>("0.25") == 0.25);
  CHECK(number_in<double>("-1e-3") == -1e-3);
  CHECK(number_in<int>("-17") == -17);
  CHECK(number_in<std::uint64_t>("18446744073709551615") == UINT64_MAX);
  for (const char* text : {"", " 1", "1 ", "+1", "1,5", "0x10", "one", "1e999", "inf", "nan", "-"}) {
    CAPTURE(text);
    CHECK_FALSE(number_in<double>(text));
  }
  for (const char* text : {"", "1.5", "1e3", "128", "-129", "--1"}) {
    CAPTURE(text);
    CHECK_FALSE(number_in<std::int8_t>(text));
  }
  CHECK_FALSE(number_in<std::uint64_t>("-1"));
}
