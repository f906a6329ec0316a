// One formula over every element of matrices, in vectors, split over threads.
#pragma once

#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck::ops::detail {

/// y[i] = f(x[i]...) for runs of memory; f's call operator is LIMBECK_HD and takes vectors.
struct sweep_kernel {
  template <int Bytes, class F, class T, class... X>
  LIMBECK_HD static void run(const F& f, index count, T* y, X*... x) {
    using V = simd_of_bytes<T, Bytes>;
    index i = 0;
    for (; i + V::width <= count; i += V::width) store(y + i, f(load<V>(x + i)...));
    if (i < count) store_part(y + i, count - i, f(load_part<V>(x + i, count - i, T(0))...));
  }
};

/// y = f(x...), element by element, for matrices of one shape whose rows have no gaps. y may be one of the x.
template <class Provider, class F, class T, class... X>
void sweep(const cpu_executor<Provider>& on, const F& f, view<T, 2> y, view<X, 2>... x) {
  constexpr index least = 1 << 14;  // elements that are worth a thread
  if (y.contiguous() && (x.contiguous() && ...)) {
    parallel_for(on.threads, y.count(), least, [&](index begin, index end) {
      simd_dispatch<sweep_kernel>(f, end - begin, y.data() + begin, x.data() + begin...);
    });
    return;
  }
  parallel_for(on.threads, y.extent(0), least / (y.extent(1) + 1) + 1, [&](index begin, index end) {
    for (index r = begin; r < end; ++r) simd_dispatch<sweep_kernel>(f, y.extent(1), &y(r, 0), &x(r, 0)...);
  });
}

}  // namespace limbeck::ops::detail
