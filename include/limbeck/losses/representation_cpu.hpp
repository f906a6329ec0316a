// What losses on attention maps and hidden states share on the host: samples over threads, squared errors of runs.
#pragma once

#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/losses/representation.hpp"
#include "limbeck/losses/row_output_cpu.hpp"
#include "limbeck/losses/squared_difference.hpp"

namespace limbeck::detail {

/// value[sample] += factor * sum_of(sample, factor) for every sample whose factor is not 0, each as soon as a thread is
/// free.
template <class E, class A, class G, class Sum>
void for_each_counted_sample(const E& on, index samples, double count, const sink<A, cpu, G>& out, const Sum& sum_of) {
  parallel_each(on.threads, samples, [&](index i) {
    const A factor = factor_of(out, count, i);
    if (factor == A(0)) return;
    const A sum = sum_of(i, factor);
    if (!out.value.empty()) out.value(i) += factor * sum;
  });
}

/// sum += (s - t)^2 over a run, and the gradient 2 factor (s - t), added or written, where it is wanted.
template <bool Zeroing>
struct squared_error_kernel {
  template <int Bytes, class A, class S, class U, class G>
  LIMBECK_HD static void run(const S* s, const U* t, index count, const A factor, const A floor, G* gradient,
                             const row_output how, A& sum) {
    using V = simd_of_bytes<A, Bytes>;
    using formula = squared_difference<Zeroing>;
    const output_row<V, G> to(gradient, how);
    V total(A(0));
    index i = 0;
    for (; i + V::width <= count; i += V::width) {
      const V d = formula::difference(load<V>(s + i), load<V>(t + i), floor);
      total += d * d;
      if (gradient != nullptr) to.put(i, formula::passed(load<V>(s + i), V(A(2) * factor) * d, floor));
    }
    A rest = horizontal_sum(total);
    for (; i < count; ++i) {
      const A mine = static_cast<A>(s[i]), d = formula::difference(mine, static_cast<A>(t[i]), floor);
      rest += d * d;
      if (gradient != nullptr) to.put(i, formula::passed(mine, A(2) * factor * d, floor));
    }
    sum += rest;
  }
};

/// The squared error of a run: its sum, and its gradient where it is wanted.
template <class A, class S, class U, class G>
[[nodiscard]] A squared_error(mask_mode mode, const S* s, const U* t, index count, A factor, G* gradient,
                              row_output how = row_output::add) {
  const A floor = static_cast<A>(zeroing_floor);
  A sum = 0;
  if (mode == mask_mode::tinybert_zeroing)
    simd_dispatch<squared_error_kernel<true>>(s, t, count, factor, floor, gradient, how, sum);
  else
    simd_dispatch<squared_error_kernel<false>>(s, t, count, factor, floor, gradient, how, sum);
  return sum;
}

}  // namespace limbeck::detail
