// The functions of one number where the standard library has no such function.
#include "limbeck/core/math.hpp"

#include <cmath>
#include <limits>

#include "catch.hpp"

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

TEST_CASE("max and min give the first number where one is NaN") {
  CHECK(limbeck::max(1.0, 2.0) == 2.0);
  CHECK(limbeck::min(1.0F, 2.0F) == 1.0F);
  CHECK(limbeck::max(1.0, nan) == 1.0);
  CHECK(std::isnan(limbeck::max(nan, 1.0)));
  CHECK(std::isnan(limbeck::min(nan, 1.0)));
}

TEST_CASE("sign_of gives 0 for zero and NaN") {
  CHECK(limbeck::sign_of(-3.0) == -1.0);
  CHECK(limbeck::sign_of(0.1F) == 1.0F);
  CHECK(limbeck::sign_of(-0.0) == 0.0);
  CHECK(limbeck::sign_of(nan) == 0.0);
}

TEST_CASE("is_finite refuses infinities and NaN") {
  CHECK(limbeck::is_finite(std::numeric_limits<double>::max()));
  CHECK(limbeck::is_finite(-std::numeric_limits<float>::max()));
  CHECK_FALSE(limbeck::is_finite(infinity));
  CHECK_FALSE(limbeck::is_finite(-std::numeric_limits<float>::infinity()));
  CHECK_FALSE(limbeck::is_finite(nan));
}

TEST_CASE("expm1_bend is what exp adds to its tangent") {
  for (double x = -0.3465; x <= 0.3465; x += 0.0021) {
    CHECK(x + x * x * limbeck::expm1_bend(x) == Approx(std::expm1(x)).epsilon(1e-15));
    const auto f = static_cast<float>(x);
    CHECK(static_cast<double>(f + f * f * limbeck::expm1_bend(f)) == Approx(std::expm1(double{f})).epsilon(3e-7));
  }
  CHECK(limbeck::expm1_bend(0.0) == 0.5);
  CHECK(limbeck::expm1_bend(0.0F) == 0.5F);
}

}  // namespace
