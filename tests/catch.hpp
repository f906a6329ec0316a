// Catch2, version 2 or 3, for every test; and how a test says that it was skipped.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#define CATCH_CONFIG_ENABLE_BENCHMARKING
#include <catch2/catch.hpp>
#endif

#include <iostream>
#include <limits>
#include <string>

/// Leaves the test case; ctest lists it as skipped and ./check prints the reason: `LIMBECK_SKIP("no CUDA device")`.
/// Nothing may have failed before it.
#define LIMBECK_SKIP(reason)                                   \
  do {                                                         \
    std::cout << "limbeck skipped: " << (reason) << std::endl; \
    SUCCEED();                                                 \
    return;                                                    \
  } while (false)

namespace limbeck_test {

/// What nobody may read: one use, and the result is no number either.
inline constexpr double undefined = std::numeric_limits<double>::quiet_NaN();
inline constexpr double infinity = std::numeric_limits<double>::infinity();

/// For a test that goes on without some of its cases: ./check prints the reason, the result is that of the others.
inline void skipped_part(const std::string& reason) { std::cout << "limbeck skipped in part: " << reason << std::endl; }

}  // namespace limbeck_test
