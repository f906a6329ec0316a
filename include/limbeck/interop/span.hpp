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

}  // namespace limbeck
