// Tests of limbeck/core/half.hpp, against Eigen's conversions and worked cases.
#include "limbeck/core/half.hpp"

#include <Eigen/Core>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "catch.hpp"

using limbeck::bfloat16;
using limbeck::float16;

static_assert(sizeof(bfloat16) == 2 && sizeof(float16) == 2);
static_assert(std::is_trivial_v<bfloat16> && std::is_trivial_v<float16>);
static_assert(static_cast<float>(bfloat16(1.0F)) == 1.0F && bfloat16(1.0F).bits == 0x3F80);
static_assert(static_cast<float>(float16(1.0F)) == 1.0F && float16(1.0F).bits == 0x3C00);
static_assert(!std::is_convertible_v<float, bfloat16> && !std::is_convertible_v<float, float16>);

namespace {

template <class Ours>
Ours of_bits(unsigned bits) {
  return std::bit_cast<Ours>(static_cast<std::uint16_t>(bits));
}

/// Number of floats, out of those near every boundary, which Ours and Theirs round to different bits.
template <class Ours, class Theirs>
int differences_from_float() {
  int different = 0;
  const auto compare = [&](float x) {
    const auto theirs = Eigen::numext::bit_cast<std::uint16_t>(Theirs(x));
    different += std::isnan(x) ? !std::isnan(static_cast<float>(Ours(x))) : Ours(x).bits != theirs;
  };
  for (std::uint32_t high = 0; high < 65536; ++high)  // each bfloat16, and the floats around the ends and the middles
    for (const std::uint32_t low : {0x0000U, 0x0001U, 0x0FFFU, 0x1000U, 0x1001U, 0x2FFFU, 0x3000U, 0x3001U, 0x7FFFU,
                                    0x8000U, 0x8001U, 0xEFFFU, 0xF000U, 0xF001U, 0xFFFFU})
      compare(std::bit_cast<float>(high << 16 | low));
  return different;
}

template <class Ours, class Theirs>
int differences_to_float() {
  int different = 0;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const float ours = of_bits<Ours>(bits);
    const auto theirs = static_cast<float>(Eigen::numext::bit_cast<Theirs>(static_cast<std::uint16_t>(bits)));
    different += std::isnan(theirs) ? !std::isnan(ours)
                                    : std::bit_cast<std::uint32_t>(ours) != std::bit_cast<std::uint32_t>(theirs);
  }
  return different;
}

template <class Ours>
int lost_round_trips() {
  int lost = 0;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const float x = of_bits<Ours>(bits);
    lost += std::isnan(x) ? !std::isnan(static_cast<float>(Ours(x))) : Ours(x).bits != bits;
  }
  return lost;
}

}  // namespace

TEST_CASE("bfloat16 becomes the float that Eigen makes of it, for all 65536 patterns") {
  CHECK(differences_to_float<bfloat16, Eigen::bfloat16>() == 0);
}

TEST_CASE("float16 becomes the float that Eigen makes of it, for all 65536 patterns") {
  CHECK(differences_to_float<float16, Eigen::half>() == 0);
}

TEST_CASE("floats round to bfloat16 as Eigen rounds them") {
  CHECK(differences_from_float<bfloat16, Eigen::bfloat16>() == 0);
}

TEST_CASE("floats round to float16 as Eigen rounds them") {
  CHECK(differences_from_float<float16, Eigen::half>() == 0);
}

TEST_CASE("every pattern of two bytes survives the way through float") {
  CHECK(lost_round_trips<bfloat16>() == 0);
  CHECK(lost_round_trips<float16>() == 0);
}

TEST_CASE("ties go to the even neighbour, and numbers beyond the range become infinite") {
  CHECK(bfloat16(0x1.01p0F).bits == 0x3F80);
  CHECK(bfloat16(0x1.03p0F).bits == 0x3F82);
  CHECK(float16(0x1.002p0F).bits == 0x3C00);
  CHECK(float16(0x1.006p0F).bits == 0x3C02);
  CHECK(float16(0x1p-25F).bits == 0);       // half of the smallest
  CHECK(float16(0x1.8p-24F).bits == 2);     // one and a half of it
  CHECK(float16(65519.0F).bits == 0x7BFF);  // 65504
  CHECK(float16(-65520.0F).bits == 0xFC00);
  CHECK(bfloat16(std::numeric_limits<float>::max()).bits == 0x7F80);
  CHECK(float16(1e300).bits == 0x7C00);
}
