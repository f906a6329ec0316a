// Softmax of rows on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "limbeck/core/view.hpp"

namespace limbeck::ops::detail {

/// Turns the first `visible` of `columns` scores into probabilities and the rest into 0. Returns the log of the sum of
/// exp; -inf where no score is visible or finite, and then every probability is 0.
template <class T>
T softmax_row(T* x, index visible, index columns) {
  T top = -std::numeric_limits<T>::infinity();
  for (index c = 0; c < visible; ++c) top = std::max(top, x[c]);
  T sum = 0;
  if (top > -std::numeric_limits<T>::infinity())
    for (index c = 0; c < visible; ++c) sum += x[c] = std::exp(x[c] - top);
  const index shown = sum > 0 ? visible : 0;
  for (index c = 0; c < shown; ++c) x[c] /= sum;
  std::fill(x + shown, x + columns, T(0));
  return sum > 0 ? top + std::log(sum) : -std::numeric_limits<T>::infinity();
}

/// The same probabilities from scores and a kept log of the sum.
template <class T>
void softmax_row_again(T* x, index visible, index columns, T log_sum) {
  const index shown = log_sum > -std::numeric_limits<T>::infinity() ? visible : 0;
  for (index c = 0; c < shown; ++c) x[c] = std::exp(x[c] - log_sum);
  std::fill(x + shown, x + columns, T(0));
}

}  // namespace limbeck::ops::detail
