// The constexpr functions against the standard library's.
#include "limbeck/core/constant_math.hpp"

#include <cmath>

#include "catch.hpp"
#include "limbeck/core/math.hpp"

namespace limbeck {
namespace {

static_assert(exp(constant_number(0)) == 1 && log(constant_number(1)) == 0 && sqrt(constant_number(4)) == 2);
static_assert(!is_finite(log(constant_number(0))) && !is_finite(exp(constant_number(1000))));
static_assert(where(true, constant_number(1), constant_number(2)) == 1 && sign_of(constant_number(-3)) == -1);

template <class Ours, class Theirs>
void check_close(const Ours& ours, const Theirs& theirs, double low, double high) {
  for (int i = 0; i <= 1000; ++i) {
    const double x = low + (high - low) * i / 1000;
    INFO("at " << x);
    CHECK(ours(constant_number(x)).value == Approx(theirs(x)).epsilon(2e-15).margin(1e-300));
  }
}

}  // namespace

TEST_CASE("constexpr functions have the standard library's digits") {
  check_close([](auto x) { return exp(x); }, [](double x) { return std::exp(x); }, -700, 700);
  check_close([](auto x) { return exp(x); }, [](double x) { return std::exp(x); }, -1, 1);
  check_close([](auto x) { return expm1(x); }, [](double x) { return std::expm1(x); }, -0.5, 0.5);
  check_close([](auto x) { return expm1(x); }, [](double x) { return std::expm1(x); }, -30, 30);
  check_close([](auto x) { return log(x); }, [](double x) { return std::log(x); }, 1e-300, 1e-3);
  check_close([](auto x) { return log(x); }, [](double x) { return std::log(x); }, 1.5, 900);
  check_close([](auto x) { return log1p(x); }, [](double x) { return std::log1p(x); }, -0.4, 0.4);
  check_close([](auto x) { return log1p(x); }, [](double x) { return std::log1p(x); }, 1e-12, 1e-6);
  check_close([](auto x) { return sqrt(x); }, [](double x) { return std::sqrt(x); }, 0, 1e5);
  check_close([](auto x) { return tanh(x); }, [](double x) { return std::tanh(x); }, -5, 5);
  check_close([](auto x) { return expm1_bend(x); }, [](double x) { return limbeck::expm1_bend(x); }, -0.34, 0.34);
}

TEST_CASE("constexpr functions carry NaN and infinities") {
  const constant_number nan(std::nan(""));
  for (const constant_number y :
       {exp(nan), expm1(nan), log(nan), log1p(nan), sqrt(nan), log(constant_number(-1)), sqrt(constant_number(-1))})
    CHECK(std::isnan(y.value));
  CHECK(std::isinf(log(constant_number(0)).value));
  CHECK(exp(constant_number(-INFINITY)).value == 0);
  CHECK(sign_of(nan).value == 0);
}

}  // namespace limbeck
