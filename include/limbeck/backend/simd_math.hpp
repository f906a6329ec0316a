// The functions of core/math.hpp for vectors. float: polynomials, right to 1 to 3 ulp, infinities and NaN exactly as
// the standard library's. double: the standard library, lane by lane.
//
// The coefficients are minimax fits of our own (Remez, 40 digits). In front of each stands its largest relative error.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "limbeck/backend/simd_vector.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

namespace limbeck {

template <class T, int W>
LIMBECK_HD simd<T, W> abs(const simd<T, W>& x) {
  using V = simd<T, W>;
  return detail::from_bits<T, W>({detail::bits_of(x).lanes & ~detail::bits_of(V(T(-0.0))).lanes});
}
/// The size of `size` with the sign of `sign`.
template <class T, int W>
LIMBECK_HD simd<T, W> copy_sign(const simd<T, W>& size, const simd<T, W>& sign) {
  using V = simd<T, W>;
  const auto sign_bit = detail::bits_of(V(T(-0.0))).lanes;
  return detail::from_bits<T, W>(
      {(detail::bits_of(size).lanes & ~sign_bit) | (detail::bits_of(sign).lanes & sign_bit)});
}
template <class T, int W>
LIMBECK_HD simd<T, W> sign_of(const simd<T, W>& x) {
  using V = simd<T, W>;
  const V zero(T(0));
  return where(x > zero, V(T(1)), where(x < zero, V(T(-1)), zero));
}
template <class T, int W>
LIMBECK_HD simd_mask<T, W> is_finite(const simd<T, W>& x) {
  return abs(x) <= simd<T, W>(std::numeric_limits<T>::max());
}
namespace detail {

// c0 + c1 x + c2 x^2 ... by Horner's rule.
template <class V>
LIMBECK_HD V polynomial(const V&, typename V::scalar c0) {
  return V(c0);
}
template <class V, class... C>
LIMBECK_HD V polynomial(const V& x, typename V::scalar c0, typename V::scalar c1, C... rest) {
  return multiply_add(polynomial(x, c1, rest...), x, V(c0));
}

// x = n log(2) + r with |r| <= log(2) / 2, for |x| < 2^20.
template <int W>
struct reduced {
  simd<float, W> shifted, n, r;  // the bits of `shifted` end in those of the integer n + 127
};
template <int W>
LIMBECK_HD reduced<W> reduce_by_log2(const simd<float, W>& x) {
  using V = simd<float, W>;
  const V magic(12583039.0F);  // 1.5 * 2^23 + 127: adding it rounds to an integer
  const V shifted = multiply_add(x, V(1.44269504F), magic);
  const V n = shifted - magic;
  return {shifted, n, multiply_add(n, V(2.12194440e-4F), multiply_add(n, V(-0.693359375F), x))};
}
// 2^(n + more), -126 <= n + more <= 127; 0 for -127.
template <int W>
LIMBECK_HD simd<float, W> power_of_two(const simd<float, W>& shifted, int more = 0) {
  return from_bits<float, W>({(bits_of(shifted).lanes << 23) + (more << 23)});
}
// exp(r) - 1 for |r| <= log(2) / 2
template <int W>
LIMBECK_HD simd<float, W> short_expm1(const simd<float, W>& r) {
  // 1.3e-7 of the bend, 7e-9 of exp(r)
  const simd<float, W> bend = polynomial(r, 0.499999996F, 0.166665771F, 0.0416668537F, 0.00836317022F, 0.00139012974F);
  return multiply_add(r * r, bend, r);
}

// 2^r - 1 for |r| <= 1/2: the same polynomial
template <int W>
LIMBECK_HD simd<float, W> short_exp2m1(const simd<float, W>& r) {
  return r * polynomial(r, 0.693147181F, 0.240226505F, 0.0555038104F, 0.00961817229F, 0.0013381298F, 0.000154172921F);
}

}  // namespace detail

template <int W>
LIMBECK_HD simd<float, W> expm1_bend(const simd<float, W>& x) {  // 2.7e-9
  return detail::polynomial(x, 0.5F, 0.166666665F, 0.0416664651F, 0.00833336077F, 0.00139336424F, 0.000198578177F);
}
template <int W>
LIMBECK_HD simd<double, W> expm1_bend(const simd<double, W>& x) {  // the Taylor series
  return detail::polynomial(x, 0.5, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880,
                            1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.0, 1.0 / 87178291200.0,
                            1.0 / 1307674368000.0, 1.0 / 20922789888000.0);
}

template <int W>
LIMBECK_HD simd<float, W> exp(const simd<float, W>& x) {
  using V = simd<float, W>;
  const V inside = min(max(x, V(-104.5F)), V(89.0F));  // NaN stays
  const auto [shifted, n, r] = detail::reduce_by_log2(inside);
  // 2^n in two factors: n reaches from -151 to 128, beyond what one float can hold
  const auto below = x < V(0.0F);
  const V power =
      detail::from_bits<float, W>({(detail::bits_of(shifted).lanes << 23) - (64 << 23) + (below.lanes & (128 << 23))});
  const V rest = where(below, V(5.42101086e-20F), V(1.84467441e+19F));  // 2^-64, 2^64
  return multiply_add(detail::short_expm1(r), power, power) * rest;
}

/// exp(x) for x <= 0 or NaN, as a softmax needs it; 0 where x < -87.7, which is below the normal numbers.
template <int W>
LIMBECK_HD simd<float, W> exp_below_one(const simd<float, W>& x) {
  using V = simd<float, W>;
  const auto [shifted, n, r] = detail::reduce_by_log2(max(x, V(-88.0296919F)));  // -127 log(2): there the power is 0
  const V power = detail::power_of_two(shifted);
  return multiply_add(detail::short_expm1(r), power, power);
}
template <int W>
LIMBECK_HD simd<double, W> exp_below_one(const simd<double, W>& x) {
  return exp(x);
}

/// exp(factor * x) for factor > 0 and x <= 0 or NaN, as a softmax at a temperature needs it; 0 where the product is
/// below -87.7. In float right to 1.5 ulp of the result for a factor that is off by half an ulp.
template <class V>
class exp_of_multiple {
  using T = typename V::scalar;

 public:
  LIMBECK_HD explicit exp_of_multiple(T factor) : factor_(factor), least_(T(0)) {
    if constexpr (std::is_same_v<T, float>) {
      factor_ = V(factor * 1.44269504F);  // of the exponent of 2
      least_ = V(-127.0F) / factor_;      // there the power is 0
    }
  }
  LIMBECK_HD V operator()(const V& x) const {
    if constexpr (std::is_same_v<T, float>) {
      const V inside = max(x, least_), magic(12583039.0F);
      const V shifted = multiply_add(inside, factor_, magic), n = shifted - magic;
      const V power = detail::power_of_two(shifted);
      return multiply_add(detail::short_exp2m1(multiply_add(inside, factor_, -n)), power, power);
    } else {
      return exp(factor_ * x);
    }
  }

 private:
  V factor_, least_;
};

template <int W>
LIMBECK_HD simd<float, W> expm1(const simd<float, W>& x) {
  using V = simd<float, W>;
  const V inside = min(max(x, V(-20.0F)), V(89.0F));
  const auto [shifted, n, r] = detail::reduce_by_log2(inside);
  const V half_power = detail::power_of_two(shifted, -1);  // 2^128 is no float, 2^127 is
  const V half = multiply_add(detail::short_expm1(r), half_power, half_power - V(0.5F));
  return where(n == V(0.0F), detail::short_expm1(r), half + half);
}

template <int W>
LIMBECK_HD simd<float, W> expm1_below_zero(const simd<float, W>& x) {
  using V = simd<float, W>;
  const V inside = max(x, V(-20.0F)), factor(1.44269504F), magic(12583039.0F);  // as in exp_of_multiple
  const V shifted = multiply_add(inside, factor, magic), n = shifted - magic;
  const V power = detail::power_of_two(shifted);
  return multiply_add(detail::short_exp2m1(multiply_add(inside, factor, -n)), power, power - V(1.0F));
}
template <int W>
LIMBECK_HD simd<double, W> expm1_below_zero(const simd<double, W>& x) {
  return expm1(x);
}

namespace detail {

// x = 2^e m with sqrt(1/2) <= m < sqrt(2), for normal numbers above 0.
template <int W>
struct binary_parts {
  simd<float, W> e, m;
};
template <int W>
LIMBECK_HD binary_parts<W> binary_parts_of(const simd<float, W>& x) {
  using V = simd<float, W>;
  const auto bits = bits_of(x).lanes - 0x3f3504f3;  // sqrt(1/2)
  return {V(__builtin_convertvector(bits >> 23, typename V::vector)),
          from_bits<float, W>({(bits & 0x7fffff) + 0x3f3504f3})};
}
// e log(2) + log(1 + y) for sqrt(1/2) <= 1 + y < sqrt(2)
template <int W>
LIMBECK_HD simd<float, W> log_of_parts(const simd<float, W>& e, const simd<float, W>& y) {
  using V = simd<float, W>;
  const V square = y * y;
  const V bend = polynomial(y, 0.333333317F, -0.25000821F, 0.200012269F, -0.166233574F, 0.14201757F,  // 5.8e-9
                            -0.131601812F, 0.127615827F, -0.0763450576F);
  const V low = multiply_add(e, V(-2.12194440e-4F), multiply_add(square * y, bend, square * V(-0.5F)));
  return multiply_add(e, V(0.693359375F), y + low);
}
// log(1 + x) for 0 < 1 + x < infinity; NaN gets lost.
template <int W>
LIMBECK_HD simd<float, W> finite_log1p(const simd<float, W>& x) {
  using V = simd<float, W>;
  const auto [e, m] = binary_parts_of(V(1.0F) + x);
  return log_of_parts(e, where(e == V(0.0F), x, m - V(1.0F)));  // x itself: what 1 + x rounds away counts there alone
}

}  // namespace detail

template <int W>
LIMBECK_HD simd<float, W> log(const simd<float, W>& x) {
  using V = simd<float, W>;
  const V zero(0.0F), infinity(std::numeric_limits<float>::infinity());
  const auto tiny = x < V(std::numeric_limits<float>::min());  // lifted among the normal numbers first
  const auto [e, m] = detail::binary_parts_of(where(tiny, x * V(8388608.0F), x));
  const V inside = detail::log_of_parts(e - where(tiny, V(23.0F), zero), m - V(1.0F));
  const V edge = where(x == zero, -infinity, V(std::numeric_limits<float>::quiet_NaN()));
  return where(x > zero, where(x < infinity, inside, x), edge);
}

template <int W>
LIMBECK_HD simd<float, W> log1p(const simd<float, W>& x) {
  using V = simd<float, W>;
  const V least(-1.0F), infinity(std::numeric_limits<float>::infinity());
  const V edge = where(x == least, -infinity, V(std::numeric_limits<float>::quiet_NaN()));
  return where(x > least, where(x < infinity, detail::finite_log1p(x), x), edge);
}

template <int W>
LIMBECK_HD simd<float, W> log1p_below_zero(const simd<float, W>& x) {
  return detail::finite_log1p(x) + simd<float, W>(0.0F) * x;  // NaN stays
}
template <int W>
LIMBECK_HD simd<double, W> log1p_below_zero(const simd<double, W>& x) {
  return log1p(x);
}

/// By Newton's iteration: no compiler makes the processor's instruction of a loop that may have to set errno.
template <int W>
LIMBECK_HD simd<float, W> sqrt(const simd<float, W>& x) {
  using V = simd<float, W>;
  const V zero(0.0F), infinity(std::numeric_limits<float>::infinity());
  const auto tiny = x < V(std::numeric_limits<float>::min());
  const V lifted = where(tiny, x * V(16777216.0F), x), half = lifted * V(0.5F);
  V inverse = detail::from_bits<float, W>({0x5f3759df - (detail::bits_of(lifted).lanes >> 1)});
  for (int round = 0; round < 3; ++round) inverse *= V(1.5F) - half * inverse * inverse;
  V root = lifted * inverse;
  root = multiply_add(inverse * V(0.5F), lifted - root * root, root);
  root = where(tiny, root * V(2.44140625e-4F), root);
  return where(x > zero, where(x < infinity, root, x), where(x == zero, x, V(std::numeric_limits<float>::quiet_NaN())));
}

template <int W>
LIMBECK_HD simd<float, W> tanh(const simd<float, W>& x) {
  using V = simd<float, W>;
  const V twice = min(abs(x), V(10.0F)) * V(2.0F);
  const V t = expm1(where(x != x, x, twice));
  return copy_sign(t / (t + V(2.0F)), x);
}

template <int W>
LIMBECK_HD simd<float, W> erf(const simd<float, W>& x) {
  using V = simd<float, W>;
  const V size = abs(x), square = x * x;
  const V near = detail::polynomial(square, 0.128379167F, -0.376126332F, 0.112836872F, -0.0268589415F,  // 4.6e-10
                                    0.00519990668F, -0.000813001271F, 8.3167753e-05F);
  // 1 - exp(-t * far(t)); 3.1e-9
  const V t = min(where(x != x, x, size), V(4.0F));
  const V far =
      detail::polynomial(t, 1.12851995F, 0.635699371F, 0.105286851F, -0.0229060284F, 0.00321997454F, -0.00021459489F);
  const V tail = V(1.0F) - exp_below_one(-(t * far));
  return where(size < V(0.92F), multiply_add(x, near, x), copy_sign(tail, x));
}

// double: lane by lane
template <int W>
LIMBECK_HD simd<double, W> sqrt(const simd<double, W>& x) {
  simd<double, W> y = x;
  for (int i = 0; i < W; ++i) y.lanes[i] = std::sqrt(x.lanes[i]);
  return y;
}
template <int W>
LIMBECK_HD simd<double, W> exp(const simd<double, W>& x) {
  simd<double, W> y = x;
  for (int i = 0; i < W; ++i) y.lanes[i] = std::exp(x.lanes[i]);
  return y;
}
template <int W>
LIMBECK_HD simd<double, W> expm1(const simd<double, W>& x) {
  simd<double, W> y = x;
  for (int i = 0; i < W; ++i) y.lanes[i] = std::expm1(x.lanes[i]);
  return y;
}
template <int W>
LIMBECK_HD simd<double, W> log(const simd<double, W>& x) {
  simd<double, W> y = x;
  for (int i = 0; i < W; ++i) y.lanes[i] = std::log(x.lanes[i]);
  return y;
}
template <int W>
LIMBECK_HD simd<double, W> log1p(const simd<double, W>& x) {
  simd<double, W> y = x;
  for (int i = 0; i < W; ++i) y.lanes[i] = std::log1p(x.lanes[i]);
  return y;
}
template <int W>
LIMBECK_HD simd<double, W> tanh(const simd<double, W>& x) {
  simd<double, W> y = x;
  for (int i = 0; i < W; ++i) y.lanes[i] = std::tanh(x.lanes[i]);
  return y;
}
template <int W>
LIMBECK_HD simd<double, W> erf(const simd<double, W>& x) {
  simd<double, W> y = x;
  for (int i = 0; i < W; ++i) y.lanes[i] = std::erf(x.lanes[i]);
  return y;
}

}  // namespace limbeck

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
