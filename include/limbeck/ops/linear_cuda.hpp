// The bias of an affine map on a device, and its gradient.
#pragma once

#include "limbeck/ops/column_sums_cuda.hpp"
#include "limbeck/ops/element_formulas.hpp"
#include "limbeck/ops/matmul_cuda.hpp"
#include "limbeck/ops/sweep_cuda.hpp"

namespace limbeck::ops::detail {

/// y += bias for each row: a matrix all of whose rows lie in one place.
template <class T>
void add_to_rows(cuda, const cuda_executor& on, view<const T, 1, cuda> bias, view<T, 2, cuda> y) {
  const view<const T, 2, cuda> rows(bias.data(), {{y.extent(0), y.extent(1)}}, {{0, 1}});
  sweep(on, sum_of_two{}, y, read_only(y), rows);
}

/// y = x w + bias, for y whose rows have no gaps: the library adds the bias to what it has just multiplied.
template <class T>
void multiply_biased(cuda, const cuda_executor& on, view<const T, 2, cuda> x, view<const T, 2, cuda> w,
                     view<const T, 1, cuda> bias, view<T, 2, cuda> y) {
  if (x.extent(1) > 0) return multiply_to_rows(on, T(1), x, w, T(0), y, bias.data());
  fill_rows(cuda{}, on, T(0), y);
  add_to_rows(cuda{}, on, bias, y);
}

template <class T>
struct column_terms {
  using sum = T;
  view<const T, 2, cuda> x;
  view<T, 1, cuda> sums;

  __device__ T at(index r, index c) const { return x(r, c); }
  __device__ void add(index c, T total) const { sums(c) += total; }
};
template <class T>
void add_column_sums(cuda, const cuda_executor& on, view<const T, 2, cuda> x, view<T, 1, cuda> sums) {
  sum_columns(on, "linear: gradient of the bias", x.extent(0), x.extent(1), column_terms<T>{x, sums});
}

}  // namespace limbeck::ops::detail
