// Eigen's matrices and vectors as views.
#pragma once

#include <Eigen/Core>

#include <type_traits>

#include "limbeck/core/view.hpp"

namespace limbeck {

/// A view of a dense matrix, map or block with its own strides, row- or column-major: rows and columns mean the same on
/// both sides. The view lives as long as the matrix does.
template <class Matrix>
  requires(Matrix::ColsAtCompileTime != 1 || Matrix::RowsAtCompileTime == Eigen::Dynamic)
[[nodiscard]] auto matrix_view(Matrix& m) {
  using element = std::remove_pointer_t<decltype(m.data())>;
  const bool rows = (std::remove_const_t<Matrix>::Flags & Eigen::RowMajorBit) != 0;
  const index outer = m.outerStride(), inner = m.innerStride();
  return view<element, 2>(m.data(), {{m.rows(), m.cols()}}, {{rows ? outer : inner, rows ? inner : outer}});
}

/// A view of a vector.
template <class Vector>
  requires(Vector::IsVectorAtCompileTime == 1)
[[nodiscard]] auto vector_view(Vector& v) {
  using element = std::remove_pointer_t<decltype(v.data())>;
  return view<element, 1>(v.data(), {{v.size()}}, {{v.innerStride()}});
}

}  // namespace limbeck
