// Sums, copies and constants, element by element.
#pragma once

#include <algorithm>

#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/ops/sweep_cpu.hpp"

namespace limbeck::ops {
namespace detail {

struct sum_of_two {
  template <class V>
  LIMBECK_HD V operator()(const V& a, const V& b) const {
    return a + b;
  }
};

}  // namespace detail

/// y += x, for matrices of one shape whose rows have no gaps. Throws contract_error where the shapes differ.
template <class Provider, class T>
void add(const cpu_executor<Provider>& on, view<const T, 2> x, view<T, 2> y) {
  expects_one_shape("add", x, y);
  detail::sweep(on, detail::sum_of_two{}, y, x, read_only(y));
}

/// y = x, for matrices of one shape whose rows have no gaps. Throws contract_error where the shapes differ.
template <class Provider, class T>
void copy(const cpu_executor<Provider>& on, view<const T, 2> x, view<T, 2> y) {
  expects_one_shape("copy", x, y);
  parallel_for(on.threads, y.extent(0), index{1 << 15} / (y.extent(1) + 1) + 1, [&](index begin, index end) {
    for (index r = begin; r < end; ++r) std::copy_n(&x(r, 0), y.extent(1), &y(r, 0));
  });
}

/// y = value, for a matrix whose rows have no gaps.
template <class Provider, class T>
void fill(const cpu_executor<Provider>& on, T value, view<T, 2> y) {
  parallel_for(on.threads, y.extent(0), index{1 << 15} / (y.extent(1) + 1) + 1, [&](index begin, index end) {
    for (index r = begin; r < end; ++r) std::fill_n(&y(r, 0), y.extent(1), value);
  });
}

/// y = value.
template <class Provider, class T>
void fill(const cpu_executor<Provider>& on, T value, view<T, 1> y) {
  parallel_for(on.threads, y.extent(0), index{1 << 15},
               [&](index begin, index end) { std::fill(y.data() + begin, y.data() + end, value); });
}

}  // namespace limbeck::ops
