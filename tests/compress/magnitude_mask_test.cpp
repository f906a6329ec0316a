// Masks of the largest weights: ties by hand, against a sort, and what they do to a gradient.
#include "limbeck/compress/magnitude_mask.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "catch.hpp"
#include "compress/matrix_of.hpp"

namespace limbeck {
namespace {

using limbeck_test::matrix, limbeck_test::matrix_of, limbeck_test::same_bits, limbeck_test::undefined;

matrix<std::uint8_t> mask_of(const view<const double, 2>& weight, index keep) {
  matrix<std::uint8_t> mask(weight.extent(0), weight.extent(1));
  mask.fill(7);
  magnitude_mask(weight, keep, mask.all());
  return mask;
}

TEST_CASE("magnitude_mask keeps the largest sizes, of equal ones the first, and a NaN") {
  const auto weight = matrix_of(2, 3, {1, -3, 2, 2, -2, 0});
  CHECK(same_bits(mask_of(weight.seen(), 3).seen(), matrix_of<std::uint8_t>(2, 3, {0, 1, 1, 1, 0, 0}).seen()));
  CHECK(same_bits(mask_of(weight.seen(), 0).seen(), matrix<std::uint8_t>(2, 3).seen()));
  CHECK(same_bits(mask_of(weight.seen(), 6).seen(), matrix_of<std::uint8_t>(2, 3, {1, 1, 1, 1, 1, 1}).seen()));
  CHECK(same_bits(mask_of(matrix<>(2, 2).seen(), 3).seen(), matrix_of<std::uint8_t>(2, 2, {1, 1, 1, 0}).seen()));
  const auto broken = matrix_of(1, 3, {5, undefined, 6});
  CHECK(same_bits(mask_of(broken.seen(), 1).seen(), matrix_of<std::uint8_t>(1, 3, {0, 1, 0}).seen()));
}

TEST_CASE("magnitude_mask agrees with a stable sort, on transposed weights too") {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    const index rows = 1 + seed % 7, columns = 1 + seed * 3 % 11, keep = seed * 13 % (rows * columns + 1);
    INFO("seed " << seed << ", [" << rows << ", " << columns << "], " << keep << " kept");
    matrix<> stored(columns, rows, seed);
    for (index i = 0; i < stored.count(); ++i) stored.data()[i] = std::round(4 * stored.data()[i]);  // ties
    const view<const double, 2> weight = transposed(stored.seen());
    std::vector<index> order(static_cast<std::size_t>(rows * columns));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](index a, index b) {
      return std::fabs(weight(a / columns, a % columns)) > std::fabs(weight(b / columns, b % columns));
    });
    matrix<std::uint8_t> want(rows, columns);
    for (index i = 0; i < keep; ++i) want.data()[order[static_cast<std::size_t>(i)]] = 1;
    CHECK(same_bits(mask_of(weight, keep).seen(), want.seen()));
  }
}

TEST_CASE("apply_mask clears weights and gradients where the mask does, whatever lies there") {
  const auto mask = matrix_of<std::uint8_t>(2, 2, {1, 0, 0, 1});
  auto gradient = matrix_of<float>(2, 2, {1, undefined, 3, 4});
  apply_mask(cpu_executor<>{2}, mask.seen(), gradient.all());
  CHECK(same_bits(gradient.seen(), matrix_of<float>(2, 2, {1, 0, 0, 4}).seen()));
}

TEST_CASE("masks refuse what does not fit") {
  const matrix<> weight(2, 3, 1);
  matrix<std::uint8_t> mask(2, 3), narrow(2, 2);
  matrix<> gradient(3, 2);
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(magnitude_mask(weight.seen(), 7, mask.all()), Contains("7 to keep of 6 weights"));
  CHECK_THROWS_WITH(magnitude_mask(weight.seen(), -1, mask.all()), Contains("-1 to keep of 6"));
  CHECK_THROWS_WITH(magnitude_mask(weight.seen(), 1, narrow.all()), Contains("[2, 3] and [2, 2]"));
  CHECK_THROWS_WITH(apply_mask(cpu_executor<>{}, mask.seen(), gradient.all()), Contains("[2, 3] and [3, 2]"));
  CHECK(kept_count(10, 0.25) == 3);
  CHECK(kept_count(10, 1) == 10);
  CHECK_THROWS_WITH(kept_count(10, 1.5), Contains("a share of 1.5"));
}

}  // namespace
}  // namespace limbeck
