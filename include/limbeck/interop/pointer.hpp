// Raw pointers with their extents as views.
#pragma once

#include <string>

#include "limbeck/core/view.hpp"

namespace limbeck {

/// `length` elements from `data` on. Throws contract_error where the pointer is null though elements are promised: a
/// view of nothing would say that the caller does not want them.
template <class T>
[[nodiscard]] constexpr view<T, 1> vector_view(T* data, index length) {
  expects(length >= 0 && (data != nullptr || length == 0),
          [&] { return message("vector_view: ", data == nullptr ? "a null pointer to " : "", length, " elements"); });
  return view<T, 1>(data, length);
}

/// A row-major matrix whose rows begin `stride` elements apart. Throws contract_error where rows overlap, or the
/// pointer is null though elements are promised.
template <class T>
[[nodiscard]] constexpr view<T, 2> matrix_view(T* data, index rows, index columns, index stride) {
  expects(rows >= 0 && columns >= 0 && stride >= columns,
          [&] { return message("matrix_view: ", rows, " rows of ", columns, " elements, ", stride, " apart"); });
  expects(data != nullptr || rows * columns == 0,
          [&] { return message("matrix_view: a null pointer to [", rows, ", ", columns, "]"); });
  return view<T, 2>(data, {{rows, columns}}, {{stride, 1}});
}

/// The same for rows without gaps.
template <class T>
[[nodiscard]] constexpr view<T, 2> matrix_view(T* data, index rows, index columns) {
  return matrix_view(data, rows, columns, columns);
}

}  // namespace limbeck
