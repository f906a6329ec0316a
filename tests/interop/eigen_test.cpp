// Eigen's matrices as views: which memory they see, and what has none.
#include "limbeck/interop/eigen.hpp"

#include <concepts>
#include <utility>

#include "catch.hpp"

namespace limbeck {
namespace {

using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using by_columns = Eigen::MatrixXf;

/// Whether the view has the matrix's element everywhere.
template <class V, class M>
bool sees(const V& v, const M& m) {
  bool same = v.extent(0) == m.rows() && v.extent(1) == m.cols();
  for (index i = 0; same && i < v.extent(0); ++i)
    for (index c = 0; c < v.extent(1); ++c) same = same && &v(i, c) == &m.coeffRef(i, c);
  return same;
}

static_assert(eigen_memory<row_major&> && eigen_memory<const row_major&> && eigen_memory<Eigen::Map<row_major>>);
static_assert(!eigen_memory<row_major>, "a view of a matrix about to vanish");
static_assert(!eigen_memory<decltype(std::declval<row_major&>() + std::declval<row_major&>())>, "a sum has no memory");
static_assert(std::same_as<decltype(matrix_view(std::declval<row_major&>())), view<float, 2>>);
static_assert(std::same_as<decltype(matrix_view(std::declval<const row_major&>())), view<const float, 2>>);
static_assert(std::same_as<decltype(matrix_view(std::declval<const row_major&>().topRows(1))), view<const float, 2>>);
static_assert(std::same_as<decltype(vector_view(std::declval<Eigen::VectorXd&>())), view<double, 1>>);

TEST_CASE("a row-major matrix, and a block of it, are seen where they lie") {
  row_major m = row_major::Random(5, 7);
  CHECK(sees(matrix_view(m), m));
  CHECK(matrix_view(m).contiguous());
  const view<float, 2> part = matrix_view(m.block(1, 2, 3, 4));
  CHECK(part.stride(0) == 7);
  CHECK(part.stride(1) == 1);
  part(2, 3) = 5;
  CHECK(m(3, 5) == 5);
}

TEST_CASE("maps keep their strides, the outer and the inner") {
  float memory[24] = {};
  Eigen::Map<row_major, 0, Eigen::OuterStride<>> padded(memory, 3, 5, Eigen::OuterStride<>(8));
  CHECK(sees(matrix_view(padded), padded));
  CHECK(matrix_view(padded).stride(0) == 8);
  Eigen::Map<row_major, 0, Eigen::Stride<Eigen::Dynamic, 2>> loose(memory, 3, 4, {8, 2});
  CHECK(sees(matrix_view(loose), loose));
}

TEST_CASE("the transpose of a column-major matrix has a row a column") {
  by_columns m = by_columns::Random(4, 3);  // 3 samples of 4 classes
  const view<float, 2> v = matrix_view(m.transpose());
  CHECK(v.extent(0) == 3);
  CHECK(v.contiguous());
  CHECK(&v(2, 1) == &m(1, 2));
}

TEST_CASE("vectors, rows and columns have the stride that their memory has") {
  row_major m = row_major::Random(3, 4);
  const view<float, 1> row = vector_view(m.row(1)), column = vector_view(m.col(2));
  CHECK(row.stride(0) == 1);
  CHECK(column.stride(0) == 4);
  CHECK(&row(3) == &m(1, 3));
  CHECK(&column(2) == &m(2, 2));
  Eigen::VectorXf plain = Eigen::VectorXf::Random(6);
  CHECK(vector_view(plain).extent(0) == 6);
  CHECK(sees(matrix_view(plain), plain));
}

}  // namespace
}  // namespace limbeck
