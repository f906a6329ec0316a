// One formula over every element of matrices on a device.
#pragma once

#include "limbeck/backend/cuda_fours.hpp"
#include "limbeck/core/math.hpp"

namespace limbeck::ops::detail {

struct sweep_fours {
  template <class F, class T, class... X>
  __device__ void operator()(index r, index c, index here, const F& f, const view<T, 2, cuda>& y,
                             const view<X, 2, cuda>&... x) const {
    write(f, row_at(y, r, c), here, load_four(row_at(x, r, c), here)...);
  }

 private:
  template <class F, class T, class... X>
  __device__ static void write(const F& f, T* y, index here, const X&... x) {
    four<T> made;
    for (int i = 0; i < 4; ++i) made.at[i] = f(x.at[i]...);
    store_four(y, here, made);
  }
};

/// y = f(x...), element by element, for matrices of one shape whose rows have no gaps. y may be one of the x. f's call
/// operator is LIMBECK_HD and takes numbers.
template <class F, class T, class... X>
void sweep(const cuda_executor& on, const F& f, view<T, 2, cuda> y, view<X, 2, cuda>... x) {
  for_fours(on, "sweep", y.extent(0), y.extent(1), sweep_fours{}, f, y, x...);
}

}  // namespace limbeck::ops::detail
