// What the samples of a batch add up to, a number for each term. training/value_sums_cuda.hpp adds up on a device.
#pragma once

#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// sums(t) += the sum of row t of `values`, in double and in order.
template <class Provider, class T>
void add_row_sums(const cpu_executor<Provider>&, view<const T, 2> values, view<double, 1> sums) {
  for (index t = 0; t < values.extent(0); ++t)
    for (index i = 0; i < values.extent(1); ++i) sums(t) += static_cast<double>(values(t, i));
}

}  // namespace limbeck
