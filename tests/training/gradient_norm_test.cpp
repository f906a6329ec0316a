// Tests of limbeck/training/gradient_norm.hpp.
#include "limbeck/training/gradient_norm.hpp"

#include <cmath>

#include "catch.hpp"
#include "central_difference.hpp"
#include "simd_levels.hpp"
#include "training/sparse_gradient.hpp"

namespace limbeck {
namespace {

using limbeck_test::matrix, limbeck_test::sparse_gradient;

TEST_CASE("norm_of is the L2 norm with the same bits for every number of threads") {
  for (const index count : {index{1}, index{3}, index{16}, index{100003}}) {
    const matrix<float> x(1, count, 4, 3);
    long double sum = 0;
    for (index i = 0; i < count; ++i)
      sum += static_cast<long double>(x.data()[i]) * static_cast<long double>(x.data()[i]);
    const double one = norm_of(cpu_executor<>{1}, x.seen_flat());
    CHECK(one == Approx(static_cast<double>(std::sqrt(sum))).epsilon(1e-14));
    for (const int threads : {2, 3, 16}) CHECK(norm_of(cpu_executor<>{threads}, x.seen_flat()) == one);
  }
  CHECK(norm_of(cpu_executor<>{}, view<const double, 1>(nullptr, 0)) == 0);
}

TEMPLATE_TEST_CASE("the norm has the same bits when it leaves out rows that were not touched", "", float, double) {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    for (const slot& table : {slot{0, 2000, 37}, slot{7, 900, 40}, slot{129, 9000, 5}, slot{16, 1000, 48}}) {
      const sparse_gradient<TestType> x(table, table.offset + table.rows * table.columns + 613, 5);
      const double whole = norm_of(cpu_executor<>{1}, x.numbers.seen_flat());
      INFO(name_of(level) << ", table at " << table.offset << ", " << table.columns << " columns");
      CHECK(whole > 0);
      for (const int threads : {1, 2, 3})
        CHECK(norm_of(cpu_executor<>{threads}, x.numbers.seen_flat(), x.touched) == whole);
    }
  }
}

TEST_CASE("the norm does not read rows that were not touched") {
  const slot table{16, 1000, 48};
  sparse_gradient<float> x(table, 60000, 5);
  const double whole = norm_of(cpu_executor<>{2}, x.numbers.seen_flat());
  x.spoil();
  CHECK(std::isnan(norm_of(cpu_executor<>{2}, x.numbers.seen_flat())));
  CHECK(norm_of(cpu_executor<>{2}, x.numbers.seen_flat(), x.touched) == whole);
}

TEST_CASE("clip_scale shortens what is longer than the limit and leaves the rest") {
  CHECK(clip_scale(4, 1) == Approx(0.25).epsilon(1e-6));
  CHECK(4 * clip_scale(4, 1) <= 1);
  CHECK(clip_scale(0.5, 1) == 1);
  CHECK(clip_scale(0, 1) == 1);
  CHECK(clip_scale(1e9, 0) == 1);  // no limit
}

}  // namespace
}  // namespace limbeck
