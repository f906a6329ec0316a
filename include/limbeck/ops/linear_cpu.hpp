// The bias of an affine map on the host, and its gradient.
#pragma once

#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/ops/matmul_cpu.hpp"
#include "limbeck/ops/sweep_cpu.hpp"

namespace limbeck::ops::detail {

struct bias_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(view<T, 2>& y, const T* bias) {
    using V = simd_of_bytes<T, Bytes>;
    const index width = y.extent(1);
    for (index r = 0; r < y.extent(0); ++r) {
      T* const row = y.data() + r * y.stride(0);
      index c = 0;
      for (; c + V::width <= width; c += V::width) store(row + c, load<V>(row + c) + load<V>(bias + c));
      for (; c < width; ++c) row[c] += bias[c];
    }
  }
};

/// sums[c] += the sum over the rows of x(r, c), in the order of the rows.
struct column_sum_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const view<const T, 2>& x, T* sums) {
    using V = simd_of_bytes<T, Bytes>;
    const index width = x.extent(1), rows = x.extent(0), stride = x.stride(0);
    index c = 0;
    for (; c + V::width <= width; c += V::width) {
      V sum = load<V>(sums + c);
      for (index r = 0; r < rows; ++r) sum += load<V>(x.data() + r * stride + c);
      store(sums + c, sum);
    }
    for (; c < width; ++c)
      for (index r = 0; r < rows; ++r) sums[c] += x.data()[r * stride + c];
  }
};

template <class Provider, class T>
void add_to_rows(cpu, const cpu_executor<Provider>& on, view<const T, 1> bias, view<T, 2> y) {
  parallel_for(on.threads, y.extent(0), index{1 << 14} / (y.extent(1) + 1) + 1, [&](index begin, index end) {
    view<T, 2> part = row_block(y, begin, end - begin);
    simd_dispatch<bias_kernel>(part, bias.data());
  });
}

/// y = x w + bias.
template <class Provider, class T>
void multiply_biased(cpu, const cpu_executor<Provider>& on, view<const T, 2> x, view<const T, 2> w,
                     view<const T, 1> bias, view<T, 2> y) {
  multiply(cpu{}, on, T(1), x, w, T(0), y);
  add_to_rows(cpu{}, on, bias, y);
}

template <class Provider, class T>
void add_column_sums(cpu, const cpu_executor<Provider>& on, view<const T, 2> x, view<T, 1> sums) {
  parallel_for(on.threads, x.extent(1), index{1 << 14} / (x.extent(0) + 1) + 1, [&](index begin, index end) {
    const view<const T, 2> part = column_block(x, begin, end - begin);
    simd_dispatch<column_sum_kernel>(part, sums.data() + begin);
  });
}

}  // namespace limbeck::ops::detail
