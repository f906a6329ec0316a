// Matrices that are written out: what the tests of compressed matrices share.
#pragma once

#include <vector>

#include "central_difference.hpp"

namespace limbeck_test {

/// Row by row.
template <class T = double>
matrix<T> matrix_of(limbeck::index rows, limbeck::index columns, const std::vector<double>& numbers) {
  matrix<T> m(rows, columns);
  for (limbeck::index i = 0; i < m.count(); ++i) m.data()[i] = static_cast<T>(numbers.at(static_cast<std::size_t>(i)));
  return m;
}

}  // namespace limbeck_test
