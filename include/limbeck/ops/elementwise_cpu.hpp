// Copies and constants in host matrices.
#pragma once

#include <algorithm>

#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck::ops::detail {

inline constexpr index copied_by_a_thread = 1 << 15;  // elements

template <class Provider, class T>
void copy_rows(cpu, const cpu_executor<Provider>& on, view<const T, 2> x, view<T, 2> y) {
  parallel_for(on.threads, y.extent(0), copied_by_a_thread / (y.extent(1) + 1) + 1, [&](index begin, index end) {
    for (index r = begin; r < end; ++r) std::copy_n(&x(r, 0), y.extent(1), &y(r, 0));
  });
}

template <class Provider, class T>
void fill_rows(cpu, const cpu_executor<Provider>& on, T value, view<T, 2> y) {
  if (y.extent(0) == 1) {  // a run of memory
    parallel_for(on.threads, y.extent(1), copied_by_a_thread,
                 [&](index begin, index end) { std::fill(y.data() + begin, y.data() + end, value); });
    return;
  }
  parallel_for(on.threads, y.extent(0), copied_by_a_thread / (y.extent(1) + 1) + 1, [&](index begin, index end) {
    for (index r = begin; r < end; ++r) std::fill_n(&y(r, 0), y.extent(1), value);
  });
}

}  // namespace limbeck::ops::detail
