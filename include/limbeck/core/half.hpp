// Numbers stored in two bytes: bfloat16 and IEEE binary16, converted from and to float.
#pragma once

#include <cstdint>

#include "limbeck/core/config.hpp"

namespace limbeck {
namespace detail {

// The built-in instead of std::bit_cast, which device code may call under an extra flag only.
[[nodiscard]] LIMBECK_HD constexpr std::uint32_t bits_of(float x) { return __builtin_bit_cast(std::uint32_t, x); }
[[nodiscard]] LIMBECK_HD constexpr float float_of(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }

[[nodiscard]] LIMBECK_HD constexpr std::uint16_t bfloat16_bits(float x) {
  const std::uint32_t bits = bits_of(x);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);  // a NaN stays one
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}

[[nodiscard]] LIMBECK_HD constexpr std::uint16_t float16_bits(float x) {
  const std::uint32_t bits = bits_of(x), sign = (bits >> 16) & 0x8000U, size = bits & 0x7FFFFFFFU;
  std::uint32_t half = 0;
  if (size > 0x7F800000U) {
    half = 0x7E00U | ((size >> 13) & 0x3FFU);
  } else if (size >= 0x477FF000U) {  // from 65520 up, half way between the largest number and the one after it
    half = 0x7C00U;
  } else if (size < 0x38800000U) {  // below 2^-14 steps are 2^-24, as are those of float between 0.5 and 1
    half = bits_of(float_of(size) + 0.5F) - 0x3F000000U;
  } else {
    half = (size - 0x38000000U + 0xFFFU + ((size >> 13) & 1U)) >> 13;
  }
  return static_cast<std::uint16_t>(sign | half);
}

[[nodiscard]] LIMBECK_HD constexpr float float_of_float16(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16, exponent = (half >> 10) & 31U, fraction = half & 0x3FFU;
  if (exponent == 31) return float_of(sign | 0x7F800000U | (fraction << 13));
  if (exponent == 0) return float_of(sign | bits_of(static_cast<float>(fraction) * 0x1p-24F));
  return float_of(sign | ((exponent + 112U) << 23) | (fraction << 13));
}

}  // namespace detail

/// The upper half of a float: its range, 8 significant bits. From float it rounds to nearest, ties to even, and beyond
/// the range to infinity; to float it is exact. Arithmetic is float's, through the implicit conversion.
struct bfloat16 {
  std::uint16_t bits;

  bfloat16() = default;
  LIMBECK_HD constexpr explicit bfloat16(float x) : bits(detail::bfloat16_bits(x)) {}
  /// Rounds twice, by way of float.
  LIMBECK_HD constexpr explicit bfloat16(double x) : bfloat16(static_cast<float>(x)) {}
  LIMBECK_HD constexpr operator float() const { return detail::float_of(std::uint32_t{bits} << 16); }
};

/// IEEE binary16: 11 significant bits, largest number 65504, smallest 2^-24. Rounds and converts as bfloat16 does.
struct float16 {
  std::uint16_t bits;

  float16() = default;
  LIMBECK_HD constexpr explicit float16(float x) : bits(detail::float16_bits(x)) {}
  /// Rounds twice, by way of float.
  LIMBECK_HD constexpr explicit float16(double x) : float16(static_cast<float>(x)) {}
  LIMBECK_HD constexpr operator float() const { return detail::float_of_float16(bits); }
};

}  // namespace limbeck
