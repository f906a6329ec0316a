// Small products against plain loops: every edge of the tiles, every stride of the left factor, every level.
#include "limbeck/ops/small_product_cpu.hpp"

#include <algorithm>

#include "catch.hpp"
#include "central_difference.hpp"
#include "simd_levels.hpp"

namespace limbeck {
namespace {

using limbeck_test::matrix;

template <class T>
void check_product(index rows, index inner, index columns, bool across, bool add) {
  const matrix<T> a(rows, inner, 1), b(std::max<index>(inner, 1), columns, 2), before(rows, columns, 3);
  matrix<T> a_across(inner, rows), c = before;
  for (index r = 0; r < rows; ++r)
    for (index k = 0; k < inner; ++k) a_across(k, r) = a(r, k);
  const ops::detail::left_factor<T> left =
      across ? ops::detail::left_factor<T>{a_across.data(), 1, rows} : ops::detail::left_factor<T>{a.data(), inner, 1};
  ops::detail::small_product<T>(left, {b.data(), columns}, {c.data(), columns}, rows, inner, columns, T(0.5), add);
  double worst = 0;
  for (index r = 0; r < rows; ++r)
    for (index n = 0; n < columns; ++n) {
      double want = add ? static_cast<double>(before(r, n)) : 0;
      for (index k = 0; k < inner; ++k) want += 0.5 * static_cast<double>(a(r, k)) * static_cast<double>(b(k, n));
      worst = limbeck_test::worse(worst, std::abs(static_cast<double>(c(r, n)) - want));
    }
  INFO("[" << rows << ", " << inner << "] times [" << inner << ", " << columns << "], across " << across);
  CHECK(worst <= (sizeof(T) == 4 ? 1e-5 : 1e-13));
}

TEMPLATE_TEST_CASE("small_product gives the product of the triple loop at every level", "", float, double) {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    for (const index rows : {1, 2, 5, 6, 7, 13})
      for (const index columns : {16, 32, 48})
        for (const bool across : {false, true})
          for (const bool add : {false, true}) check_product<TestType>(rows, 9, columns, across, add);
    check_product<TestType>(4, 0, 16, false, false);
  }
}

}  // namespace
}  // namespace limbeck
