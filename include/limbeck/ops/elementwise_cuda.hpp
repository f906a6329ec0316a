// Copies and constants in matrices on a device.
#pragma once

#include "limbeck/backend/cuda_fours.hpp"
#include "limbeck/ops/element_formulas.hpp"
#include "limbeck/ops/sweep_cuda.hpp"

namespace limbeck::ops::detail {

template <class T>
void copy_rows(cuda, const cuda_executor& on, view<const T, 2, cuda> x, view<T, 2, cuda> y) {
  sweep(on, itself{}, y, x);
}

struct fill_fours {
  template <class T>
  __device__ void operator()(index r, index c, index here, const T& value, const view<T, 2, cuda>& y) const {
    store_four(row_at(y, r, c), here, four<T>{{value, value, value, value}});
  }
};
template <class T>
void fill_rows(cuda, const cuda_executor& on, T value, view<T, 2, cuda> y) {
  for_fours(on, "fill", y.extent(0), y.extent(1), fill_fours{}, value, y);
}

}  // namespace limbeck::ops::detail
