// Bias and activation function in one sweep over a host matrix.
#pragma once

#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck::ops::detail {

struct biased_transform_kernel {
  template <int Bytes, class Activation, class T>
  LIMBECK_HD static void run(const Activation& activation, const T* bias, const view<T, 2>& before,
                             const view<T, 2>& after) {
    using V = simd_of_bytes<T, Bytes>;
    const index width = before.extent(1);
    const bool both = before.data() != after.data();
    for (index r = 0; r < before.extent(0); ++r) {
      T *const x = before.data() + r * before.stride(0), *const y = after.data() + r * after.stride(0);
      for (index c = 0; c < width; c += V::width) {
        const index here = width - c;
        V sum = load_part<V>(x + c, here, T(0));
        if (bias != nullptr) sum += load_part<V>(bias + c, here, T(0));
        if (both) store_part(x + c, here, sum);
        store_part(y + c, here, activation.value(sum));
      }
    }
  }
};

template <class Provider, class Activation, class T>
void transform_rows_biased(cpu, const cpu_executor<Provider>& on, const Activation& activation, view<const T, 1> bias,
                           view<T, 2> before, view<T, 2> after) {
  parallel_for(on.threads, before.extent(0), index{1 << 13} / (before.extent(1) + 1) + 1, [&](index begin, index end) {
    simd_dispatch<biased_transform_kernel>(activation, bias.data(), row_block(before, begin, end - begin),
                                           row_block(after, begin, end - begin));
  });
}

}  // namespace limbeck::ops::detail
