// The matrix product on the host: slabs of the result, one a thread, each by the executor's provider.
#pragma once

#include <algorithm>

#include "limbeck/backend/matmul_provider.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"

namespace limbeck::ops::detail {

/// On the calling thread alone, without checks: for kernels that are already split over threads.
template <class Provider, class T>
void multiply_here(T alpha, view<const T, 2> a, view<const T, 2> b, T beta, view<T, 2> c) {
  if (c.stride(1) == 1 || c.extent(1) == 1)
    Provider::multiply(alpha, a, b, beta, c);
  else  // c' = b' a'
    Provider::multiply(alpha, transposed(b), transposed(a), beta, transposed(c));
}

template <class Provider, class T>
void multiply(cpu, const cpu_executor<Provider>& on, T alpha, view<const T, 2> a, view<const T, 2> b, T beta,
              view<T, 2> c) {
  static_assert(matmul_provider<Provider, T>, "this provider has no matrix product for this element type");
  constexpr index worth_a_thread = index{1} << 17;  // multiply-adds
  // Slabs start at multiples of it, so a product's edges are the same on every thread count.
  constexpr index grain = 16;
  const index shorter = std::min(c.extent(0), c.extent(1)), longer = std::max(c.extent(0), c.extent(1));
  const index slab = worth_a_thread / (a.extent(1) * std::max<index>(1, shorter) * grain + 1) + 1;
  parallel_for(on.threads, (longer + grain - 1) / grain, slab, [&](index first, index last) {
    const index begin = first * grain, count = std::min(last * grain, longer) - begin;
    if (c.extent(0) >= c.extent(1))
      multiply_here<Provider>(alpha, row_block(a, begin, count), b, beta, row_block(c, begin, count));
    else
      multiply_here<Provider>(alpha, a, column_block(b, begin, count), beta, column_block(c, begin, count));
  });
}

}  // namespace limbeck::ops::detail
