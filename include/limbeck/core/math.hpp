// The functions that formulas are written with, for one number. backend/simd.hpp has the same names for vectors of
// them, so that a policy written once works on both, on the host and on a device.
#pragma once

#include <cmath>

#include "limbeck/core/config.hpp"

namespace limbeck {

LIMBECK_HD float abs(float x) { return std::fabs(x); }
LIMBECK_HD double abs(double x) { return std::fabs(x); }
LIMBECK_HD float exp(float x) { return std::exp(x); }
LIMBECK_HD double exp(double x) { return std::exp(x); }
LIMBECK_HD float log(float x) { return std::log(x); }
LIMBECK_HD double log(double x) { return std::log(x); }
LIMBECK_HD float expm1(float x) { return std::expm1(x); }
LIMBECK_HD double expm1(double x) { return std::expm1(x); }
LIMBECK_HD float log1p(float x) { return std::log1p(x); }
LIMBECK_HD double log1p(double x) { return std::log1p(x); }
/// exp(x) - 1 for x <= 0, and log(1 + x) for -1 < x <= 0. NaN stays. Vectors have less to do than for any x.
LIMBECK_HD float expm1_below_zero(float x) { return std::expm1(x); }
LIMBECK_HD double expm1_below_zero(double x) { return std::expm1(x); }
LIMBECK_HD float log1p_below_zero(float x) { return std::log1p(x); }
LIMBECK_HD double log1p_below_zero(double x) { return std::log1p(x); }
LIMBECK_HD float sqrt(float x) { return std::sqrt(x); }
LIMBECK_HD double sqrt(double x) { return std::sqrt(x); }
LIMBECK_HD float tanh(float x) { return std::tanh(x); }
LIMBECK_HD double tanh(double x) { return std::tanh(x); }
LIMBECK_HD float erf(float x) { return std::erf(x); }
LIMBECK_HD double erf(double x) { return std::erf(x); }

/// The larger; the first where they are equal or one is NaN.
LIMBECK_HD float max(float a, float b) { return a < b ? b : a; }
LIMBECK_HD double max(double a, double b) { return a < b ? b : a; }
/// The smaller; the first where they are equal or one is NaN.
LIMBECK_HD float min(float a, float b) { return b < a ? b : a; }
LIMBECK_HD double min(double a, double b) { return b < a ? b : a; }

/// a where the condition holds, b elsewhere. Both are computed.
LIMBECK_HD float where(bool condition, float a, float b) { return condition ? a : b; }
LIMBECK_HD double where(bool condition, double a, double b) { return condition ? a : b; }

/// -1, 0 or 1; 0 for NaN.
LIMBECK_HD float sign_of(float x) { return static_cast<float>((x > 0.0F) - (x < 0.0F)); }
LIMBECK_HD double sign_of(double x) { return static_cast<double>((x > 0.0) - (x < 0.0)); }

LIMBECK_HD bool is_finite(float x) { return std::fabs(x) <= 3.402823466e+38F; }
LIMBECK_HD bool is_finite(double x) { return std::fabs(x) <= 1.7976931348623157e+308; }

/// (exp(x) - 1 - x) / x^2, for |x| <= log(2) / 2 only; there it is right to 1 ulp or so. What small differences of
/// exponentials are made of: expm1(x) = x + x * x * expm1_bend(x), exp(x) - 1 - x = x * x * expm1_bend(x).
LIMBECK_HD float expm1_bend(float x) {
  float y = 0.000198578177F;
  y = y * x + 0.00139336424F;
  y = y * x + 0.00833336077F;
  y = y * x + 0.0416664651F;
  y = y * x + 0.166666665F;
  return y * x + 0.5F;
}
LIMBECK_HD double expm1_bend(double x) {
  double y = 1.0 / 20922789888000.0;  // 1 / 16!, the Taylor series
  y = y * x + 1.0 / 1307674368000.0;
  y = y * x + 1.0 / 87178291200.0;
  y = y * x + 1.0 / 6227020800.0;
  y = y * x + 1.0 / 479001600.0;
  y = y * x + 1.0 / 39916800.0;
  y = y * x + 1.0 / 3628800.0;
  y = y * x + 1.0 / 362880.0;
  y = y * x + 1.0 / 40320.0;
  y = y * x + 1.0 / 5040.0;
  y = y * x + 1.0 / 720.0;
  y = y * x + 1.0 / 120.0;
  y = y * x + 1.0 / 24.0;
  y = y * x + 1.0 / 6.0;
  return y * x + 0.5;
}

}  // namespace limbeck
