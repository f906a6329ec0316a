// A matcher for a part of a message, under the name that Catch2 2 and 3 do not share.
#pragma once

#include <string>

#include "catch.hpp"

namespace limbeck_test {

inline auto contains(const std::string& part) {
#if __has_include(<catch2/catch_all.hpp>)
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Matchers::Contains(part);
#endif
}

}  // namespace limbeck_test
