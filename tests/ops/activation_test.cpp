// Activations at every SIMD level against the standard library in double.
#include "limbeck/ops/activation.hpp"

#include <cmath>
#include <numbers>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/backend/simd.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "simd_levels.hpp"

namespace limbeck {
namespace {

using limbeck_test::inner_product, limbeck_test::largest_gap, limbeck_test::matrix, limbeck_test::same_bits,
    limbeck_test::slope_error;

double plain_gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2)); }
double plain_gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
}
double plain_relu(double x) { return x > 0 ? x : 0; }
double plain_tanh(double x) { return std::tanh(x); }

double plain_slope(double (*f)(double), double x) {
  const double h = 1e-3;
  return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h);
}

template <class Activation>
void check_levels(const Activation& activation, double (*f)(double)) {
  matrix<> x(3, 1201);
  for (index i = 0; i < x.count(); ++i)
    x.data()[i] = -9 + 18 * (static_cast<double>(i) + 0.5) / static_cast<double>(x.count());
  const matrix<float> xf(x);
  const matrix<> exact(xf);  // the floats' own values
  matrix<> want(3, 1201), want_slope(3, 1201);
  for (index i = 0; i < x.count(); ++i) {
    want.data()[i] = f(exact.data()[i]);
    const double at = exact.data()[i];
    want_slope.data()[i] = std::abs(at) < 0.003 && f == plain_relu ? (at > 0 ? 1 : 0) : plain_slope(f, at);
  }
  for (const simd_level level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    INFO(name_of(level));
    for (const int threads : {1, 3}) {
      const cpu_executor<> on{threads};
      matrix<float> y(3, 1201), one(3, 1201), slope(3, 1201);
      one.fill(1);
      ops::transform(on, activation, xf.seen(), y.all());
      ops::transform_backward(on, activation, xf.seen(), one.seen(), slope.all());
      CHECK(largest_gap(y.seen(), want.seen()) < 1e-6);
      CHECK(largest_gap(slope.seen(), want_slope.seen()) < 2e-6);  // 1 - tanh^2, times up to 5
    }
    const cpu_executor<> on;
    matrix<> y(3, 1201), one(3, 1201), slope(3, 1201);
    one.fill(1);
    ops::transform(on, activation, exact.seen(), y.all());
    ops::transform_backward(on, activation, exact.seen(), one.seen(), slope.all());
    CHECK(largest_gap(y.seen(), want.seen()) < 1e-14);
    CHECK(largest_gap(slope.seen(), want_slope.seen()) < 1e-9);
  }
  if (best_simd_level() != simd_level::avx512) limbeck_test::skipped_part("this processor has no avx512");
}

TEST_CASE("gelu is right to 1e-6 in float at every SIMD level") { check_levels(gelu{}, plain_gelu); }
TEST_CASE("gelu_tanh is right to 1e-6 in float at every SIMD level") { check_levels(gelu_tanh{}, plain_gelu_tanh); }
TEST_CASE("relu is right in float at every SIMD level") { check_levels(relu{}, plain_relu); }
TEST_CASE("hyperbolic_tangent is right to 1e-6 in float at every SIMD level") {
  check_levels(hyperbolic_tangent{}, plain_tanh);
}

TEST_CASE("relu has the value and the slope 0 at 0") {
  CHECK(relu{}.value(0.0) == 0);
  CHECK(relu{}.slope(0.0) == 0);
}

TEST_CASE("activations of huge numbers are finite") {
  for (const float x : {-1e30F, -100.0F, 100.0F, 1e4F}) {
    CHECK(gelu{}.value(x) == (x > 0 ? x : 0));
    CHECK(gelu_tanh{}.value(x) == (x > 0 ? x : 0));
    CHECK(hyperbolic_tangent{}.value(x) == (x > 0 ? 1 : -1));
    CHECK(gelu{}.slope(x) == (x > 0 ? 1 : 0));
    CHECK(hyperbolic_tangent{}.slope(x) == 0);
  }
  matrix<float> x(1, 32), y(1, 32);
  x.fill(-1e30F);
  ops::transform(cpu_executor<>{}, gelu_tanh{}, x.seen(), y.all());
  CHECK(y(0, 3) == 0);
}

TEST_CASE("the gradient of an activation agrees with central differences") {
  const cpu_executor<> on;
  matrix<> x(4, 7, 1, 2), y(4, 7), dx(4, 7);
  const matrix<> dy(4, 7, 2);
  const auto check = [&](const auto& activation) {
    ops::transform_backward(on, activation, x.seen(), dy.seen(), dx.all());
    CHECK(slope_error(x, dx, [&] {
            ops::transform(on, activation, x.seen(), y.all());
            return inner_product(y.seen(), dy.seen());
          }) < 1e-7);
    matrix<> same = dy;  // in place
    ops::transform_backward(on, activation, x.seen(), same.seen(), same.all());
    CHECK(same_bits(same.seen(), dx.seen()));
  };
  check(gelu{});
  check(gelu_tanh{});
  check(hyperbolic_tangent{});
}

TEST_CASE("transform works in place and on columns of a wider matrix") {
  matrix<> wide(5, 20, 1);
  const matrix<> before = wide;
  const view<double, 2> part = column_block(wide.all(), 4, 7);
  ops::transform(cpu_executor<>{2}, gelu{}, read_only(part), part);
  for (index r = 0; r < 5; ++r)
    for (index c = 0; c < 20; ++c)
      CHECK(wide(r, c) == Approx(c >= 4 && c < 11 ? plain_gelu(before(r, c)) : before(r, c)).epsilon(1e-14));
}

TEST_CASE("matrices that are not of one shape are an error that names both") {
  matrix<> x(3, 4, 1), y(3, 5, 2), z(2, 4, 3);
  const cpu_executor<> on;
  CHECK_THROWS_WITH(ops::add(on, x.seen(), y.all()), "add: [3, 4] and [3, 5] are not of one shape");
  CHECK_THROWS_WITH(ops::copy(on, x.seen(), z.all()), "copy: [3, 4] and [2, 4] are not of one shape");
  CHECK_THROWS_WITH(ops::transform(on, relu{}, x.seen(), y.all()), "transform: [3, 4] and [3, 5] are not of one shape");
  CHECK_THROWS_WITH(ops::transform_backward(on, relu{}, x.seen(), x.seen(), z.all()),
                    "transform_backward: [3, 4] and [2, 4] are not of one shape");
}

TEST_CASE("add, copy and fill do every element of packed and of strided matrices, and nothing else") {
  for (const int threads : {1, 3})
    for (const index columns : {1, 5, 700}) {
      const cpu_executor<> on{threads};
      const matrix<> x(60, columns, 1);
      matrix<> y(60, columns, 2), sum(60, columns);
      for (index i = 0; i < y.count(); ++i) sum.data()[i] = y.data()[i] + x.data()[i];
      matrix<> wide(60, columns + 4, 3);
      const matrix<> before = wide;
      const view<double, 2> part = column_block(wide.all(), 2, columns);
      ops::copy(on, y.seen(), part);
      CHECK(same_bits(part, y.all()));
      ops::add(on, x.seen(), part);
      CHECK(same_bits(part, sum.all()));
      ops::add(on, x.seen(), y.all());
      CHECK(same_bits(y.seen(), sum.seen()));
      ops::fill(on, 2.5, part);
      CHECK(wide(59, columns + 1) == 2.5);
      CHECK(wide(0, 2) == 2.5);
      CHECK(same_bits(column_block(wide.seen(), 0, 2), column_block(before.seen(), 0, 2)));
      CHECK(same_bits(column_block(wide.seen(), columns + 2, 2), column_block(before.seen(), columns + 2, 2)));
    }
}

TEST_CASE("transform_biased adds the bias, keeps the sum, and may overwrite it") {
  const cpu_executor<> on{2};
  for (const index width : {1, 7, 33}) {
    const matrix<> x(6, width, 1), bias(1, width, 2);
    matrix<> before = x, after(6, width), in_place = x, bare = x;
    ops::transform_biased(on, gelu{}, bias.seen_flat(), before.all(), after.all());
    ops::transform_biased(on, gelu{}, bias.seen_flat(), in_place.all(), in_place.all());
    ops::transform_biased(on, gelu{}, view<const double, 1>{}, bare.all(), bare.all());
    for (index r = 0; r < 6; ++r)
      for (index c = 0; c < width; ++c) {
        CHECK(before(r, c) == x(r, c) + bias(0, c));
        CHECK(after(r, c) == Approx(gelu{}.value(before(r, c))).epsilon(1e-14).margin(1e-15));
        CHECK(in_place(r, c) == after(r, c));
        CHECK(bare(r, c) == Approx(gelu{}.value(x(r, c))).epsilon(1e-14).margin(1e-15));
      }
  }
  matrix<> x(3, 4);
  const matrix<> bias(1, 5);
  CHECK_THROWS_WITH(ops::transform_biased(on, gelu{}, bias.seen_flat(), x.all(), x.all()),
                    "transform_biased: bias [5] does not fit the rows of [3, 4]");
}

}  // namespace
}  // namespace limbeck
