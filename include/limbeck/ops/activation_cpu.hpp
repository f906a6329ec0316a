// Activation functions on host matrices.
#pragma once

#include "limbeck/core/executors.hpp"
#include "limbeck/ops/sweep_cpu.hpp"

namespace limbeck::ops::detail {

template <class Activation>
struct value_of {
  Activation activation;
  template <class V>
  LIMBECK_HD V operator()(const V& x) const {
    return activation.value(x);
  }
};
template <class Activation>
struct slope_times {
  Activation activation;
  template <class V>
  LIMBECK_HD V operator()(const V& x, const V& dy) const {
    return dy * activation.slope(x);
  }
};

template <class Provider, class Activation, class T>
void transform_rows(cpu, const cpu_executor<Provider>& on, const Activation& activation, view<const T, 2> x,
                    view<T, 2> y) {
  sweep(on, value_of<Activation>{activation}, y, x);
}

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

template <class Provider, class Activation, class T>
void transform_rows_backward(cpu, const cpu_executor<Provider>& on, const Activation& activation, view<const T, 2> x,
                             view<const T, 2> dy, view<T, 2> dx) {
  sweep(on, slope_times<Activation>{activation}, dx, x, dy);
}

}  // namespace limbeck::ops::detail
