// The BLAS library as provider of the matrix product.
#if __has_include(<cblas.h>)
#include "limbeck/backend/blas.hpp"

#include "backend/matmul_cases.hpp"
#include "catch.hpp"

namespace limbeck {
namespace {

static_assert(matmul_provider<blas_provider, float> && matmul_provider<blas_provider, double>);

TEST_CASE("blas_provider gives the product of the triple loop, in every layout, on any number of threads") {
  limbeck_test::check_provider<blas_provider>();
}
TEST_CASE("blas_provider gives the same bits again") { limbeck_test::check_repeatable<blas_provider>(); }

TEST_CASE("blas_provider makes a row of a column that is transposed") {
  const limbeck_test::matrix<> a(1, 6, 1), b(6, 5, 2);
  limbeck_test::matrix<> column(5, 1);
  ops::matmul(cpu_executor<blas_provider>{}, a.seen(), b.seen(), transposed(column.all()));
  const auto want = limbeck_test::plain_product<double>(a.seen(), b.seen(), 1, 0, transposed(column.seen()));
  CHECK(limbeck_test::largest_gap(transposed(column.seen()), want.seen()) <= 1e-14);
}

}  // namespace
}  // namespace limbeck
#endif
