// Vectors: each function against the standard library in double, at every level that the processor has.
#include "limbeck/backend/simd.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "limbeck/core/view.hpp"
#include "simd_levels.hpp"

namespace {

using limbeck::index;
using limbeck::simd_level;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

// Kernels: y = f(x) for one f each.
template <class F>
struct each {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const std::vector<T>& x, std::vector<T>& y) {
    using V = limbeck::simd_of_bytes<T, Bytes>;
    const index n = static_cast<index>(x.size());
    index i = 0;
    for (; i + V::width <= n; i += V::width) limbeck::store(y.data() + i, F{}(limbeck::load<V>(x.data() + i)));
    limbeck::store_part(y.data() + i, n - i, F{}(limbeck::load_part<V>(x.data() + i, n - i, T(0.5))));
  }
};
template <class F, class T>
std::vector<T> applied(const std::vector<T>& x) {
  std::vector<T> y(x.size());
  limbeck::simd_dispatch<each<F>>(x, y);
  return y;
}

// Distance in units of the last place of the right result; 0 where both are NaN, or the same infinity.
double ulps(float got, double want) {
  const float rounded = static_cast<float>(want);
  if (std::isnan(got) && std::isnan(rounded)) return 0;
  if (got == rounded) return 0;
  if (!std::isfinite(rounded) || !std::isfinite(got)) {
    // one step beyond the largest float is a rounding error, anything else is wrong
    return std::abs(want) > 3.4028234e38 && std::abs(want) < 3.4028238e38 ? 1 : 1e9;
  }
  const double unit = std::max<double>(std::nextafter(std::abs(rounded), infinity) - std::abs(rounded),
                                       std::numeric_limits<float>::denorm_min());
  return std::abs(static_cast<double>(got) - want) / unit;
}

std::vector<float> spread(float low, float high, index count) {
  std::vector<float> x;
  for (index i = 0; i <= count; ++i)
    x.push_back(low + (high - low) * static_cast<float>(i) / static_cast<float>(count));
  return x;
}
// Every order of magnitude of both signs, and the edges.
std::vector<float> magnitudes() {
  std::vector<float> x{0.0F, -0.0F, infinity,      -infinity,      not_a_number,
                       1.0F, -1.0F, 3.4028235e38F, -3.4028235e38F, 1e-45F};
  for (float m = 1e-42F; m < 3e38F; m *= 1.037F) {
    x.push_back(m);
    x.push_back(-m);
  }
  return x;
}
std::vector<float> joined(std::vector<float> a, const std::vector<float>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

template <class F>
void check(const std::vector<float>& x, double allowed, double (*right)(double)) {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    const std::vector<float> y = applied<F>(x);
    double worst = 0;
    float where = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double u = ulps(y[i], right(static_cast<double>(x[i])));
      if (u > worst) {
        worst = u;
        where = x[i];
      }
    }
    INFO(limbeck::name_of(level) << ": " << worst << " ulp at " << where);
    CHECK(worst <= allowed);
  }
}

#define LIMBECK_TEST_FUNCTION(name)             \
  struct name##_of {                            \
    template <class V>                          \
    LIMBECK_HD V operator()(const V& x) const { \
      return limbeck::name(x);                  \
    }                                           \
  }
LIMBECK_TEST_FUNCTION(exp);
LIMBECK_TEST_FUNCTION(exp_below_one);
LIMBECK_TEST_FUNCTION(expm1);
LIMBECK_TEST_FUNCTION(expm1_bend);
LIMBECK_TEST_FUNCTION(log);
LIMBECK_TEST_FUNCTION(log1p);
LIMBECK_TEST_FUNCTION(expm1_below_zero);
LIMBECK_TEST_FUNCTION(log1p_below_zero);
LIMBECK_TEST_FUNCTION(tanh);
LIMBECK_TEST_FUNCTION(erf);
LIMBECK_TEST_FUNCTION(sqrt);
LIMBECK_TEST_FUNCTION(abs);
LIMBECK_TEST_FUNCTION(sign_of);
#undef LIMBECK_TEST_FUNCTION

}  // namespace

TEST_CASE("exp of a vector is right to 1.5 ulp, denormal results and infinities too") {
  check<exp_of>(joined(spread(-110, 92, 400001), magnitudes()), 1.5, [](double x) { return std::exp(x); });
}

TEST_CASE("exp_below_one is right to 1.5 ulp where exp is a normal number, and 0 below") {
  check<exp_below_one_of>(joined(spread(-87.3F, 0, 400001), {0.0F, -0.0F, not_a_number}), 1.5,
                          [](double x) { return std::exp(x); });
  check<exp_below_one_of>({-88.0F, -1e4F, -3e38F, -infinity}, 0, [](double) { return 0.0; });
}

namespace {

constexpr float third = 1.0F / 3;
struct exp_of_third {
  template <class V>
  LIMBECK_HD V operator()(const V& x) const {
    return limbeck::exp_of_multiple<V>(third)(x);
  }
};

}  // namespace

TEST_CASE("exp_of_multiple is exp of the product, and 0 where that is no normal number") {
  const std::vector<float> x = joined(spread(-260, 0, 400001), {0.0F, -0.0F, not_a_number});
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    const std::vector<float> y = applied<exp_of_third>(x);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double product = static_cast<double>(third) * static_cast<double>(x[i]);
      const double off = ulps(y[i], std::exp(product));
      worst = std::max(worst, off - (level == simd_level::baseline ? 2 : 1) * std::abs(product));  // of the factor
    }
    INFO(limbeck::name_of(level));
    CHECK(worst <= 1.5);
    CHECK(applied<exp_of_third>(std::vector<float>{0, -265, -1e5F, -infinity}) == std::vector<float>{1, 0, 0, 0});
  }
  const std::vector<double> wide{-300, -2, 0};
  for (std::size_t i = 0; i < wide.size(); ++i)
    CHECK(applied<exp_of_third>(wide)[i] == std::exp(static_cast<double>(third) * wide[i]));
}

TEST_CASE("expm1 of a vector keeps its digits near 0") {
  check<expm1_of>(joined(spread(-20, 89.5F, 400001), joined(magnitudes(), spread(-1, 1, 100001))), 2,
                  [](double x) { return std::expm1(x); });
}

TEST_CASE("expm1_bend is right to 2 ulp in its range") {
  check<expm1_bend_of>(spread(-0.3465F, 0.3465F, 100001), 2, [](double x) {
    double sum = 0, term = 0.5;
    for (int k = 3; k < 30; ++k) {
      sum += term;
      term *= x / k;
    }
    return sum;
  });
}

TEST_CASE("log of a vector is right to 1.5 ulp, denormal arguments too") {
  check<log_of>(joined(spread(0.3F, 3, 400001), magnitudes()), 1.5, [](double x) { return std::log(x); });
}

TEST_CASE("log1p of a vector keeps its digits near 0") {
  check<log1p_of>(joined(spread(-1, 3, 400001), magnitudes()), 2.5, [](double x) { return std::log1p(x); });
}

TEST_CASE("expm1 and log1p of numbers below zero keep their digits near 0, and NaN") {
  const std::vector<float> near{-1e-45F, -1e-38F, -1e-20F, -1e-8F, -1e-3F, -0.0F, 0.0F, not_a_number};
  check<expm1_below_zero_of>(joined(spread(-20, 0, 400001), joined(near, {-88, -1e4F, -3e38F, -infinity})), 2,
                             [](double x) { return std::expm1(x); });
  check<log1p_below_zero_of>(joined(spread(-0.99999994F, 0, 400001), near), 2.5,
                             [](double x) { return std::log1p(x); });
}

TEST_CASE("tanh of a vector is right to 3 ulp") {
  check<tanh_of>(joined(spread(-12, 12, 400001), magnitudes()), 3, [](double x) { return std::tanh(x); });
}

TEST_CASE("erf of a vector is right to 2 ulp") {
  check<erf_of>(joined(spread(-5, 5, 400001), magnitudes()), 2, [](double x) { return std::erf(x); });
}

TEST_CASE("sqrt of a vector is right to 1 ulp, abs and sign_of are exact") {
  check<sqrt_of>(joined(magnitudes(), spread(0.5F, 2.5F, 200001)), 1, [](double x) { return std::sqrt(x); });
  check<abs_of>(magnitudes(), 0, [](double x) { return std::abs(x); });
  check<sign_of_of>(magnitudes(), 0, [](double x) { return static_cast<double>((x > 0) - (x < 0)); });
}

TEST_CASE("vectors of double have the standard library's bits") {
  const std::vector<double> x{-700.5, -1, -1e-9, 0, 1e-12, 0.3, 2, 80, 700};
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    const auto e = applied<exp_of>(x), m = applied<expm1_of>(x), t = applied<tanh_of>(x), f = applied<erf_of>(x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK(e[i] == std::exp(x[i]));
      CHECK(m[i] == std::expm1(x[i]));
      CHECK(t[i] == std::tanh(x[i]));
      CHECK(f[i] == std::erf(x[i]));
    }
  }
}

namespace {

struct horizontally {
  template <int Bytes>
  LIMBECK_HD static void run(const float* x, std::array<float, 3>& out) {
    using V = limbeck::simd_of_bytes<float, Bytes>;
    const V v = limbeck::load<V>(x);
    out = {limbeck::horizontal_sum(v), limbeck::horizontal_max(v), static_cast<float>(Bytes)};
  }
};

struct conditions {
  template <int Bytes>
  LIMBECK_HD static void run(const float* x, std::vector<int>& out) {
    using V = limbeck::simd_of_bytes<float, Bytes>;
    const V v = limbeck::load<V>(x);
    out = {limbeck::any(v > V(1.5F)),
           limbeck::any(v > V(100)),
           limbeck::all(v > V(0)),
           limbeck::all(v > V(1)),
           limbeck::all(limbeck::is_finite(v)),
           limbeck::any(!limbeck::is_finite(v / V(0)))};
  }
};

struct maxima_with_nan {
  template <int Bytes>
  LIMBECK_HD static void run(std::array<float, 4>& out) {
    using V = limbeck::simd_of_bytes<float, Bytes>;
    const V one(1), none(not_a_number);
    out = {limbeck::max(one, none)[0], limbeck::max(none, one)[0], limbeck::min(one, none)[0],
           limbeck::min(none, one)[0]};
  }
};

}  // namespace

TEST_CASE("every level runs with its own width") {
  std::array<float, 16> x{};
  for (int i = 0; i < 16; ++i) x[static_cast<std::size_t>(i)] = static_cast<float>(i + 1);
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    std::array<float, 3> out{};
    limbeck::simd_dispatch<horizontally>(x.data(), out);
    const float width = level == simd_level::avx512 ? 16 : level == simd_level::avx2 ? 8 : 4;
    CHECK(out == std::array<float, 3>{width * (width + 1) / 2, width, 4 * width});
    std::vector<int> flags;
    limbeck::simd_dispatch<conditions>(x.data(), flags);
    CHECK(flags == std::vector<int>{1, 0, 1, 0, 1, 1});
  }
}

namespace {

template <class S>
struct there_and_back {
  template <int Bytes>
  LIMBECK_HD static void run(const S* from, float* values, S* to, index count) {
    using V = limbeck::simd_of_bytes<float, Bytes>;
    for (index i = 0; i < count; i += V::width) {
      limbeck::store(values + i, limbeck::load<V>(from + i));
      limbeck::store(to + i, limbeck::load<V>(static_cast<const float*>(values + i)));
    }
  }
};

// All 65536 numbers that 16 bits can hold.
template <class S>
int differences() {
  std::vector<S> from(65536), to(65536);
  std::vector<float> values(65536);
  for (std::size_t i = 0; i < from.size(); ++i) from[i].bits = static_cast<std::uint16_t>(i);
  limbeck::simd_dispatch<there_and_back<S>>(from.data(), values.data(), to.data(), 65536);
  int wrong = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const float right = from[i];
    if (std::isnan(right))
      wrong += !std::isnan(values[i]) || !std::isnan(static_cast<float>(to[i]));
    else
      wrong += values[i] != right || std::signbit(values[i]) != std::signbit(right) || to[i].bits != from[i].bits;
  }
  return wrong;
}

template <class S>
struct rounded {
  template <int Bytes>
  LIMBECK_HD static void run(const float* from, S* to, index count) {
    using V = limbeck::simd_of_bytes<float, Bytes>;
    for (index i = 0; i + V::width <= count; i += V::width) limbeck::store(to + i, limbeck::load<V>(from + i));
  }
};

}  // namespace

TEMPLATE_TEST_CASE("every number of 16 bits survives a load and a store", "", limbeck::bfloat16, limbeck::float16) {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    CHECK(differences<TestType>() == 0);
  }
}

TEMPLATE_TEST_CASE("stores round to 16 bits as the scalar conversion does", "", limbeck::bfloat16, limbeck::float16) {
  std::vector<float> x = joined(magnitudes(), spread(-3, 3, 10000));
  x.resize(x.size() / 16 * 16);
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    std::vector<TestType> y(x.size());
    limbeck::simd_dispatch<rounded<TestType>>(x.data(), y.data(), static_cast<limbeck::index>(x.size()));
    int wrong = 0;
    for (std::size_t i = 0; i < x.size(); ++i) wrong += y[i].bits != TestType(x[i]).bits;
    CHECK(wrong == 0);
  }
}

TEST_CASE("max and min return their first argument where one is NaN, as the scalar ones do") {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    std::array<float, 4> out{};
    limbeck::simd_dispatch<maxima_with_nan>(out);
    CHECK(out[0] == 1);
    CHECK(std::isnan(out[1]));
    CHECK(out[2] == 1);
    CHECK(std::isnan(out[3]));
    CHECK(limbeck::max(1.0F, not_a_number) == 1);
    CHECK(std::isnan(limbeck::max(not_a_number, 1.0F)));
  }
}

TEST_CASE("a level that the processor lacks is refused") {
  if (limbeck::best_simd_level() == simd_level::avx512) return;
  CHECK_THROWS_AS(limbeck::forced_simd_level(simd_level::avx512), limbeck::contract_error);
}

namespace {

template <class S>
struct last_of_a_row {
  template <int Bytes>
  LIMBECK_HD static void run(std::vector<S>& row, index count, std::vector<float>& seen) {
    using V = limbeck::simd_of_bytes<float, Bytes>;
    const V v = limbeck::load_last<V>(static_cast<const S*>(row.data() + row.size()), count, -1.0F);
    seen.resize(V::width);
    limbeck::store(seen.data(), v);
    limbeck::store_last(row.data() + row.size(), count, v * V(2.0F));
  }
};

}  // namespace

TEMPLATE_TEST_CASE("the end of a row is read and written, and nothing beside it", "", float, double,
                   limbeck::bfloat16) {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    for (limbeck::index count = 0; count <= 4; ++count) {
      std::vector<TestType> row;
      for (int i = 0; i < 19; ++i) row.push_back(static_cast<TestType>(static_cast<float>(i)));
      std::vector<float> seen;
      limbeck::simd_dispatch<last_of_a_row<TestType>>(row, count, seen);
      for (limbeck::index i = 0; i < static_cast<limbeck::index>(seen.size()); ++i)
        CHECK(seen[static_cast<std::size_t>(i)] == (i < count ? static_cast<float>(19 - count + i) : -1.0F));
      for (limbeck::index i = 0; i < 19; ++i)
        CHECK(static_cast<float>(row[static_cast<std::size_t>(i)]) == static_cast<float>(i < 19 - count ? i : 2 * i));
    }
  }
}

TEMPLATE_TEST_CASE("numbers are added to as many, and nothing beside them", "", float, limbeck::bfloat16) {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const limbeck::forced_simd_level forced(level);
    for (const std::ptrdiff_t count : {0, 1, 7, 16, 35}) {
      std::vector<float> from;
      std::vector<TestType> to;
      for (int i = 0; i < 40; ++i) from.push_back(static_cast<float>(i)), to.push_back(static_cast<TestType>(3.0F));
      const float* const first = from.data();
      TestType* const sums = to.data();
      limbeck::simd_dispatch<limbeck::add_numbers>(first, count, sums);
      for (int i = 0; i < 40; ++i)
        CHECK(static_cast<float>(to[static_cast<std::size_t>(i)]) == (i < count ? 3.0F + static_cast<float>(i) : 3.0F));
    }
  }
}
