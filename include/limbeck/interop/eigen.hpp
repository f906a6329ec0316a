// Eigen's matrices and vectors as views.
#pragma once

#include <Eigen/Core>

#include <type_traits>
#include <utility>

#include "limbeck/core/view.hpp"

namespace limbeck {

/// An Eigen expression with memory behind it that outlives the call: a matrix that has a name, or a map, block or
/// transpose of one. A sum, a product or a matrix about to vanish has none.
template <class Expression>
concept eigen_memory =
    (std::remove_cvref_t<Expression>::Flags & Eigen::DirectAccessBit) != 0 &&
    (std::is_lvalue_reference_v<Expression> ||
     !std::is_base_of_v<Eigen::PlainObjectBase<std::remove_cvref_t<Expression>>, std::remove_cvref_t<Expression>>);

namespace detail {

/// What an expression lets its user read or write.
template <class Expression>
using eigen_element = std::remove_pointer_t<decltype(std::declval<Expression&>().data())>;

}  // namespace detail

/// A view of a row-major matrix, map, block or transpose, [rows, columns], with its own strides; it lives as long as
/// the memory does. Column-major ones, Eigen's default, are refused: their rows do not lie side by side. Where each of
/// their columns is a sample, `matrix_view(m.transpose())` is [samples, classes] of the same memory.
template <eigen_memory Matrix>
[[nodiscard]] auto matrix_view(Matrix&& m) {
  using plain = std::remove_cvref_t<Matrix>;
  static_assert((plain::Flags & Eigen::RowMajorBit) != 0 || plain::IsVectorAtCompileTime,
                "matrix_view: this matrix is column-major; declare it Eigen::RowMajor, or, if a column is a sample, "
                "give its transpose()");
  constexpr bool rows = (plain::Flags & Eigen::RowMajorBit) != 0;
  const index outer = m.outerStride(), inner = m.innerStride();
  return view<detail::eigen_element<Matrix>, 2>(m.data(), {{m.rows(), m.cols()}},
                                                {{rows ? outer : inner, rows ? inner : outer}});
}

/// A view of a vector, or of a row or column of a matrix.
template <eigen_memory Vector>
  requires(std::remove_cvref_t<Vector>::IsVectorAtCompileTime == 1)
[[nodiscard]] auto vector_view(Vector&& v) {
  return view<detail::eigen_element<Vector>, 1>(v.data(), {{v.size()}}, {{v.innerStride()}});
}

}  // namespace limbeck
