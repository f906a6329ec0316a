// The bias of an affine map on a device, and its gradient.
#pragma once

#include "limbeck/backend/cuda_fours.hpp"
#include "limbeck/ops/column_sums_cuda.hpp"

namespace limbeck::ops::detail {

struct bias_fours {
  template <class T>
  __device__ void operator()(index r, index c, index here, const view<const T, 1, cuda>& bias,
                             const view<T, 2, cuda>& y) const {
    four<T> sum = load_four(static_cast<const T*>(row_at(y, r, c)), here);
    const four<T> more = load_four(bias.data() + c, here);
    for (int i = 0; i < 4; ++i) sum.at[i] += more.at[i];
    store_four(row_at(y, r, c), here, sum);
  }
};
template <class T>
void add_to_rows(cuda, const cuda_executor& on, view<const T, 1, cuda> bias, view<T, 2, cuda> y) {
  for_fours(on, "linear: bias", y.extent(0), y.extent(1), bias_fours{}, bias, y);
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
