// Whole numbers of a few bits: by hand, against plain loops, there and back, and numbers that are none.
#include "limbeck/compress/quantise.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "catch.hpp"
#include "compress/matrix_of.hpp"

namespace limbeck {
namespace {

using limbeck_test::infinity, limbeck_test::largest_gap, limbeck_test::matrix, limbeck_test::matrix_of,
    limbeck_test::same_bits, limbeck_test::undefined;

const cpu_executor<> quantising{2};

template <class T>
matrix<T> rounded_by(const matrix<T>& x, const quantisation& options = {}) {
  matrix<T> out(x.rows(), x.columns());
  fake_quantise(quantising, x.seen(), out.all(), options);
  return out;
}

TEST_CASE("fake_quantise by hand: whole steps are kept, halves go to the even code") {
  const auto whole = matrix_of(1, 5, {-3, 0, 1, 100, 252});
  CHECK(same_bits(rounded_by(whole).seen(), whole.seen()));  // a step of 1
  const auto x = matrix_of(1, 7, {-127, 0.4, 0.5, 1.5, -2.5, 3.6, 126});
  const auto want = matrix_of(1, 7, {-127, 0, 0, 2, -2, 4, 126});
  CHECK(largest_gap(rounded_by(x, {.range = code_range::symmetric}).seen(), want.seen()) < 1e-13);
  // two bits: the least, two between, the largest
  const auto four = matrix_of(1, 5, {0, 0.9, 1.1, 2.2, 3});
  CHECK(largest_gap(rounded_by(four, {.bits = 2}).seen(), matrix_of(1, 5, {0, 1, 1, 2, 3}).seen()) < 1e-15);
}

TEST_CASE("fake_quantise agrees with plain loops and moves no number by more than half a step") {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    const index rows = 1 + seed % 4, columns = 1 + seed * 5 % 19;
    const quantisation options{.bits = 2 + static_cast<int>(seed % 15),
                               .range = seed % 2 == 0 ? code_range::min_max : code_range::symmetric,
                               .clip = seed % 5 == 0 ? 0.7 : unclipped,
                               .epsilon = seed % 3 == 0 ? 1e-8 : 0};
    INFO("seed " << seed << ", [" << rows << ", " << columns << "], " << options.bits << " bits");
    const matrix<> x(rows, columns, seed);
    const matrix<> got = rounded_by(x, options), again = rounded_by(got, options);
    for (index r = 0; r < rows; ++r) {
      std::vector<double> row;
      for (index c = 0; c < columns; ++c) row.push_back(std::clamp(x(r, c), -options.clip, options.clip));
      const double least = *std::min_element(row.begin(), row.end());
      const double most = *std::max_element(row.begin(), row.end());
      const double range = most - least + options.epsilon, size = std::max(std::fabs(least), std::fabs(most));
      const double levels = std::pow(2, options.bits) - 1, half = std::pow(2, options.bits - 1) - 1;
      const bool symmetric = options.range == code_range::symmetric;
      for (index c = 0; c < columns; ++c) {
        const double v = row[static_cast<std::size_t>(c)];
        const double want = symmetric    ? std::nearbyint(v * half / size) / half * size
                            : range == 0 ? v
                                         : std::nearbyint((v - least) / range * levels) / levels * range + least;
        CHECK(got(r, c) == Approx(want).margin(1e-14));
        CHECK(std::fabs(got(r, c) - v) <= 0.5 * (symmetric ? size / half : range / levels) * (1 + 1e-9) + 1e-15);
        CHECK(again(r, c) == Approx(got(r, c)).margin(1e-7));  // epsilon widens the range each time
      }
    }
  }
}

TEST_CASE("quantise and dequantise are fake_quantise in two steps, with codes that fit a byte") {
  const matrix<float> x(9, 17, 3, 4);
  for (const granularity by : {granularity::row, granularity::tensor}) {
    const index groups = scale_count(x.seen(), by);
    matrix<> step(1, groups), offset(1, groups);
    matrix<float> back(9, 17);
    matrix<std::uint8_t> codes(9, 17);
    quantise(quantising, x.seen(), codes.all(), step.flat(), offset.flat(), {.by = by});
    dequantise(quantising, codes.seen(), step.seen_flat(), offset.seen_flat(), back.all(), by);
    CHECK(same_bits(back.seen(), rounded_by(x, {.by = by}).seen()));
    CHECK(*std::max_element(codes.data(), codes.data() + codes.count()) == 255);

    matrix<std::int8_t> both_signs(9, 17);
    const quantisation symmetric{.range = code_range::symmetric, .by = by};
    quantise(quantising, x.seen(), both_signs.all(), step.flat(), offset.flat(), symmetric);
    dequantise(quantising, both_signs.seen(), step.seen_flat(), offset.seen_flat(), back.all(), by);
    CHECK(same_bits(back.seen(), rounded_by(x, symmetric).seen()));
  }
}

TEST_CASE("fake_quantise: equal numbers and zeros are kept, a NaN stays in its place, an infinity shows in its row") {
  for (const code_range range : {code_range::min_max, code_range::symmetric}) {
    const auto x = matrix_of(4, 3, {0, 0, 0, 0.3, 0.3, 0.3, 1, undefined, -1, 1, infinity, 2});
    const matrix<> got = rounded_by(x, {.range = range});
    for (index c = 0; c < 3; ++c) CHECK(got(0, c) == 0);
    for (index c = 0; c < 3; ++c) CHECK(got(1, c) == Approx(0.3).epsilon(1e-15));
    CHECK(got(2, 0) == Approx(1).epsilon(1e-15));
    CHECK(std::isnan(got(2, 1)));
    CHECK(got(2, 2) == -1);
    for (index c = 0; c < 3; ++c) CHECK(std::isnan(got(3, c)));
  }
  const auto beyond = matrix_of(1, 3, {5, 6, 7});
  CHECK(largest_gap(rounded_by(beyond, {.clip = 4}).seen(), matrix_of(1, 3, {4, 4, 4}).seen()) == 0);
}

TEST_CASE("quantise refuses what does not fit") {
  const matrix<> x(2, 3, 1);
  matrix<> out(2, 3), step(1, 2), one(1, 1), narrow(2, 2);
  matrix<std::int8_t> codes(2, 3);
  matrix<std::uint8_t> bytes(2, 3);
  const auto keep = [&](auto& kept, quantisation options) {
    quantise(quantising, x.seen(), kept.all(), step.flat(), step.flat(), options);
  };
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(rounded_by(x, {.bits = 1}), Contains("fake_quantise: 1 bits, must be 2 to 16"));
  CHECK_THROWS_WITH(rounded_by(x, {.bits = 17}), Contains("17 bits"));
  CHECK_THROWS_WITH(rounded_by(x, {.clip = -1}), Contains("clip -1"));
  CHECK_THROWS_WITH(rounded_by(x, {.epsilon = -1}), Contains("epsilon -1"));
  CHECK_THROWS_WITH(fake_quantise(quantising, x.seen(), narrow.all()), Contains("[2, 3] and [2, 2]"));
  CHECK_THROWS_WITH(keep(codes, {}), Contains("to 255.000000, their type ends at -128 and 127"));
  CHECK_THROWS_WITH(keep(bytes, {.range = code_range::symmetric}), Contains("codes of -127.000000 to 127.000000"));
  CHECK_THROWS_WITH(quantise(quantising, x.seen(), bytes.all(), one.flat(), step.flat()),
                    Contains("1 steps and 2 offsets for 2 groups"));
  CHECK_THROWS_WITH(dequantise(quantising, bytes.seen(), step.seen_flat(), one.seen_flat(), out.all()),
                    Contains("2 steps and 1 offsets for 2 groups"));
  const auto broken = matrix_of(1, 2, {1, undefined});
  CHECK_THROWS_WITH(
      quantise(quantising, broken.seen(), row_block(column_block(bytes.all(), 0, 2), 0, 1), one.flat(), one.flat()),
      Contains("nan among the numbers"));
}

}  // namespace
}  // namespace limbeck
