// The functions of core/math.hpp for a number that compilers can calculate with: formulas that are templates over their
// number can so be tried out in a static_assert.
#pragma once

#include <limits>

namespace limbeck {
namespace detail {

// log(2) in two parts, of which a multiple of the first is exact.
inline constexpr double log2_high = 6.93147180369123816490e-01, log2_low = 1.90821492927058770002e-10;

}  // namespace detail

/// A double whose functions are constexpr, good to some 1e-15 of the result; not fast.
struct constant_number {
  double value = 0;

  constexpr constant_number() = default;
  constexpr constant_number(double x) : value(x) {}  // as a literal converts to double

  constexpr friend constant_number operator+(constant_number a, constant_number b) { return a.value + b.value; }
  constexpr friend constant_number operator-(constant_number a, constant_number b) { return a.value - b.value; }
  constexpr friend constant_number operator*(constant_number a, constant_number b) { return a.value * b.value; }
  constexpr friend constant_number operator/(constant_number a, constant_number b) { return a.value / b.value; }
  constexpr friend constant_number operator-(constant_number a) { return -a.value; }
  constexpr constant_number& operator+=(constant_number b) { return *this = *this + b; }
  constexpr constant_number& operator-=(constant_number b) { return *this = *this - b; }
  constexpr constant_number& operator*=(constant_number b) { return *this = *this * b; }
  constexpr constant_number& operator/=(constant_number b) { return *this = *this / b; }
  constexpr friend bool operator<(constant_number a, constant_number b) { return a.value < b.value; }
  constexpr friend bool operator>(constant_number a, constant_number b) { return a.value > b.value; }
  constexpr friend bool operator<=(constant_number a, constant_number b) { return a.value <= b.value; }
  constexpr friend bool operator>=(constant_number a, constant_number b) { return a.value >= b.value; }
  constexpr friend bool operator==(constant_number a, constant_number b) { return a.value == b.value; }
  constexpr friend bool operator!=(constant_number a, constant_number b) { return a.value != b.value; }
};

constexpr constant_number where(bool condition, constant_number a, constant_number b) { return condition ? a : b; }
constexpr constant_number abs(constant_number x) { return x.value < 0 ? -x.value : x.value; }
constexpr constant_number max(constant_number a, constant_number b) { return a < b ? b : a; }
constexpr constant_number min(constant_number a, constant_number b) { return b < a ? b : a; }
constexpr constant_number sign_of(constant_number x) { return static_cast<double>((x.value > 0) - (x.value < 0)); }
constexpr bool is_finite(constant_number x) {
  return x.value <= std::numeric_limits<double>::max() && x.value >= std::numeric_limits<double>::lowest();
}

/// (exp(x) - 1 - x) / x^2 for |x| <= log(2) / 2: the Taylor series.
constexpr constant_number expm1_bend(constant_number x) {
  double sum = 0, term = 0.5;
  for (int n = 3; n < 22; ++n) {
    sum += term;
    term *= x.value / n;
  }
  return sum;
}
constexpr constant_number exp(constant_number x) {
  if (x.value != x.value) return x;
  if (x.value > 709.78) return std::numeric_limits<double>::infinity();
  if (x.value < -745.2) return 0;
  const int n = static_cast<int>(x.value * 1.4426950408889634 + (x.value < 0 ? -0.5 : 0.5));
  const double r = x.value - n * detail::log2_high - n * detail::log2_low;
  double result = 1 + r + r * r * expm1_bend(constant_number(r)).value;
  for (int i = 0; i < n; ++i) result *= 2;
  for (int i = 0; i > n; --i) result *= 0.5;
  return result;
}
constexpr constant_number expm1(constant_number x) {
  if (x.value < -0.3 || x.value > 0.3) return exp(x) - 1;
  return x + x * x * expm1_bend(x);
}
constexpr constant_number log(constant_number x) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (x.value == 0) return -infinity;
  if (x.value == infinity) return x;
  if (!(x.value > 0)) return std::numeric_limits<double>::quiet_NaN();
  double m = x.value;
  int e = 0;
  for (; m > 1.4142135623730951; ++e) m *= 0.5;
  for (; m < 0.7071067811865476; --e) m *= 2;
  const double t = (m - 1) / (m + 1), square = t * t;  // log(m) = 2 artanh(t)
  double sum = 0, power = t;
  for (int n = 1; n < 45; n += 2) {
    sum += power / n;
    power *= square;
  }
  return e * detail::log2_high + (2 * sum + e * detail::log2_low);
}
constexpr constant_number log1p(constant_number x) {
  const double u = 1 + x.value;
  if (u == 1 || !is_finite(constant_number(u))) return x;
  const constant_number log_u = log(constant_number(u));
  return u == x.value ? log_u : constant_number(log_u.value * (x.value / (u - 1)));
}
constexpr constant_number expm1_below_zero(constant_number x) { return expm1(x); }
constexpr constant_number log1p_below_zero(constant_number x) { return log1p(x); }
constexpr constant_number sqrt(constant_number x) {
  if (x.value < 0) return std::numeric_limits<double>::quiet_NaN();
  if (!(x.value > 0) || !is_finite(x)) return x;
  double root = exp(log(x) * 0.5).value;
  for (int i = 0; i < 3; ++i) root = 0.5 * (root + x.value / root);
  return root;
}
constexpr constant_number tanh(constant_number x) {
  const constant_number twice = expm1(constant_number(-2) * abs(x));
  return sign_of(x) * (-twice / (twice + 2));
}

}  // namespace limbeck
