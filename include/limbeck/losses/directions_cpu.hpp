// The directions of two rows of numbers compared on the host, and the slope of what they differ by.
#pragma once

#include "limbeck/backend/simd.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/losses/directions.hpp"
#include "limbeck/losses/row_output_cpu.hpp"

namespace limbeck::detail {

/// s.s, s.t and t.t of two rows.
template <class V>
struct row_products {
  V of_student = V(0), of_both = V(0), of_teacher = V(0);

  LIMBECK_HD void add(const V& s, const V& t) {
    of_student = multiply_add(s, s, of_student);
    of_both = multiply_add(s, t, of_both);
    of_teacher = multiply_add(t, t, of_teacher);
  }
  /// Two sums of each, so that one addition need not wait for the other.
  template <class S, class U>
  LIMBECK_HD static row_products of(const S* s, const U* t, index width) {
    row_products even, odd;
    index i = 0;
    for (; i + 2 * V::width <= width; i += 2 * V::width) {
      even.add(load<V>(s + i), load<V>(t + i));
      odd.add(load<V>(s + i + V::width), load<V>(t + i + V::width));
    }
    for (; i < width; i += V::width) even.add(load_part<V>(s + i, width - i, 0), load_part<V>(t + i, width - i, 0));
    even.of_student += odd.of_student;
    even.of_both += odd.of_both;
    even.of_teacher += odd.of_teacher;
    return even;
  }
};

/// Compares the directions of two rows, in one sweep over both; the gradient takes a second one while they are in
/// cache. Where they nearly agree a sweep over the difference, which does not cancel, comes between: equal rows give
/// exactly 0, as do those that differ by a power of two.
struct direction_kernel {
  template <int Bytes, class A, class S, class U, class G>
  LIMBECK_HD static void run(const S* s, const U* t, index width, const A factor, G* gradient, const row_output how,
                             direction_gap<A>& gap) {
    using V = simd_of_bytes<A, Bytes>;
    const row_products<V> of = row_products<V>::of(s, t, width);
    compared_directions<A> here(horizontal_sum(of.of_student), horizontal_sum(of.of_both),
                                horizontal_sum(of.of_teacher));
    if (here.near()) here.take_difference(squared_difference<V>(s, t, width, V(here.ratio)));
    gap = here.gap();
    if (gradient == nullptr) return;
    if (gap.both)
      add_slope<V>(s, t, width, V(here.ratio), V(here.apart), V(factor / here.student), how, gradient);
    else if (how != row_output::add)
      for (index i = 0; i < width; ++i) gradient[i] = G(A(0));
  }

 private:
  // The sum of (s - ratio * t)^2.
  template <class V, class S, class U>
  LIMBECK_HD static typename V::scalar squared_difference(const S* s, const U* t, index width, const V& ratio) {
    V sum(0);
    index i = 0;
    for (; i + V::width <= width; i += V::width) {
      const V d = along_one(load<V>(s + i), load<V>(t + i), ratio);
      sum = multiply_add(d, d, sum);
    }
    if (i < width) {
      const V d = along_one(load_part<V>(s + i, width - i, 0), load_part<V>(t + i, width - i, 0), ratio);
      sum = multiply_add(d, d, sum);
    }
    return horizontal_sum(sum);
  }
  // gradient += factor * direction_slope.
  template <class V, class S, class U, class G>
  LIMBECK_HD static void add_slope(const S* s, const U* t, index width, const V& ratio, const V& apart, const V& factor,
                                   row_output how, G* gradient) {
    const output_row<V, G> to(gradient, how);
    index i = 0;
    for (; i + V::width <= width; i += V::width) {
      const V mine = load<V>(s + i);
      to.put(i, factor * direction_slope(mine, load<V>(t + i), ratio, apart));
    }
    if (i == width) return;
    const index rest = width - i;
    const V mine = load_part<V>(s + i, rest, 0);
    to.put_part(i, rest, factor * direction_slope(mine, load_part<V>(t + i, rest, 0), ratio, apart));
  }
};

/// Adds factor * (slope of the half square with respect to the student's row) to `gradient`, or writes it, unless that
/// is null; 0 where a row has no direction.
template <class S, class U, class A, class G>
[[nodiscard]] direction_gap<A> compare_directions(const S* student, const U* teacher, index width, A factor,
                                                  G* gradient, row_output how = row_output::add) {
  direction_gap<A> gap;
  simd_dispatch<direction_kernel>(student, teacher, width, factor, gradient, how, gap);
  return gap;
}

}  // namespace limbeck::detail
