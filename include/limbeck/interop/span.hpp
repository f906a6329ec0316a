// std::span and std::vector as views.
#pragma once

#include <span>
#include <string>

#include "limbeck/core/view.hpp"

namespace limbeck {

/// All elements of a span.
template <class T>
[[nodiscard]] constexpr view<T, 1> vector_view(std::span<T> s) {
  return view<T, 1>(s.data(), static_cast<index>(s.size()));
}

/// A span as a row-major matrix of `columns` columns. Throws contract_error where they do not divide its size.
template <class T>
[[nodiscard]] constexpr view<T, 2> matrix_view(std::span<T> s, index columns) {
  expects(columns > 0 && static_cast<index>(s.size()) % columns == 0,
          [&] { return message("matrix_view: ", s.size(), " elements, not rows of ", columns); });
  return view<T, 2>(s.data(), static_cast<index>(s.size()) / columns, columns);
}

/// A span as a row-major matrix whose rows begin `stride` elements apart. Throws contract_error where rows overlap or
/// the last one ends behind the span.
template <class T>
[[nodiscard]] constexpr view<T, 2> matrix_view(std::span<T> s, index rows, index columns, index stride) {
  expects(rows >= 0 && columns >= 0 && stride >= columns,
          [&] { return message("matrix_view: ", rows, " rows of ", columns, " elements, ", stride, " apart"); });
  expects(rows == 0 || (rows - 1) * stride + columns <= static_cast<index>(s.size()), [&] {
    return message("matrix_view: ", rows, " rows of ", columns, ", ", stride, " apart, in ", s.size(), " elements");
  });
  return view<T, 2>(s.data(), {{rows, columns}}, {{stride, 1}});
}

}  // namespace limbeck
