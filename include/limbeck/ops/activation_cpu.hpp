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

template <class Provider, class Activation, class T>
void transform_rows_backward(cpu, const cpu_executor<Provider>& on, const Activation& activation, view<const T, 2> x,
                             view<const T, 2> dy, view<T, 2> dx) {
  sweep(on, slope_times<Activation>{activation}, dx, x, dy);
}

}  // namespace limbeck::ops::detail
