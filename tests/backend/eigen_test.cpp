// Eigen as provider of the matrix product.
#include "limbeck/backend/eigen.hpp"

#include "backend/matmul_cases.hpp"
#include "catch.hpp"

namespace limbeck {
namespace {

static_assert(matmul_provider<eigen_provider, float> && matmul_provider<eigen_provider, double>);

TEST_CASE("eigen_provider gives the product of the triple loop, in every layout, on any number of threads") {
  limbeck_test::check_provider<eigen_provider>();
}
TEST_CASE("eigen_provider gives the same bits again") { limbeck_test::check_repeatable<eigen_provider>(); }
#if !defined(__AVX__)  // with wider vectors Eigen adds up the edge of a slab in another order
TEST_CASE("eigen_provider gives the same bits for 1 to 5 threads") {
  limbeck_test::check_threads_agree<eigen_provider, float>();
  limbeck_test::check_threads_agree<eigen_provider, double>();
}
#endif

TEST_CASE("eigen_provider works on the calling thread alone, whatever number of threads Eigen has") {
  const limbeck_test::matrix<> a(384, 768, 1), b(768, 16, 2);
  limbeck_test::matrix<> alone(384, 16), beside(384, 16);
  ops::matmul(cpu_executor<>{1}, a.seen(), b.seen(), alone.all());
  const int before = Eigen::nbThreads();
  for (const int threads : {1, 3}) {
    Eigen::setNbThreads(threads);
    ops::matmul(cpu_executor<>{1}, a.seen(), b.seen(), beside.all());
    CHECK(limbeck_test::same_bits(alone.all(), beside.all()));
  }
  Eigen::setNbThreads(before);
}

TEST_CASE("eigen_on_one_thread gives Eigen its threads back") {
  const int before = Eigen::nbThreads();
  Eigen::setNbThreads(3);
  const int asked = Eigen::nbThreads();  // 1 in a build without OpenMP
  {
    const detail::eigen_on_one_thread alone;
    CHECK(Eigen::nbThreads() == 1);
  }
  CHECK(Eigen::nbThreads() == asked);
  Eigen::setNbThreads(before);
}

TEST_CASE("matmul names the shapes that do not fit") {
  const cpu_executor<> on;
  limbeck_test::matrix<> a(4, 5), b(6, 3), c(4, 3);
  CHECK_THROWS_WITH(ops::matmul(on, a.seen(), b.seen(), c.all()), "matmul: [4, 5] times [6, 3] does not give [4, 3]");
  CHECK_THROWS_AS(ops::matmul(on, a.seen(), a.seen(), c.all()), contract_error);
}

TEST_CASE("matmul names the matrix none of whose strides is 1") {
  const cpu_executor<> on;
  limbeck_test::matrix<> memory(8, 8), b(4, 4), c(4, 4);
  const view<double, 2> loose(memory.data(), {{4, 4}}, {{16, 2}});
  CHECK_THROWS_WITH(ops::matmul(on, read_only(loose), b.seen(), c.all()),
                    "matmul: the left factor has no stride of 1: strides [16, 2]");
  CHECK_THROWS_WITH(ops::matmul(on, b.seen(), read_only(loose), c.all()),
                    "matmul: the right factor has no stride of 1: strides [16, 2]");
  CHECK_THROWS_WITH(ops::matmul(on, b.seen(), c.seen(), loose),
                    "matmul: the product has no stride of 1: strides [16, 2]");
}

}  // namespace
}  // namespace limbeck
