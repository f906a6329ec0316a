// The divergence of attention maps on the host: a block of query rows of a head at a time, in working memory.
#pragma once

#include <algorithm>
#include <string>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/representation.hpp"
#include "limbeck/losses/score_rows_cpu.hpp"
#include "limbeck/ops/small_product_cpu.hpp"

namespace limbeck::detail {

/// The maps of a layer in both models; the gradient is empty where it is not wanted.
template <class S, class U, class G>
struct pair_of_maps {
  square_blocks<const S, cpu> student;
  square_blocks<const U, cpu> teacher;
  square_blocks<G, cpu> gradient;

  void check(const char* loss, head_match match) const {
    (void)heads_compared(loss, student.heads, teacher.heads, match);
    expects(gradient.empty() || gradient.heads == student.heads, [&] {
      return message(loss, ": ", student.heads, " heads of the student, ", gradient.heads, " of its gradient");
    });
    expects(student.causal || !teacher.causal,
            [&] { return message(loss, ": the teacher's maps are causal, the student's are not"); });
  }
};

/// Heads that are averaged: `count` of one sample from `first` on.
struct group_of_heads {
  index sample, first, count;

  /// The mean of some rows of their maps goes to `to` [keys, step], a column a row; by way of `plain` [count, keys].
  template <class S, class A>
  void load(const square_blocks<const S, cpu>& maps, const score_rows<A>& rows, A* plain, A* to) const {
    const view<const S, 2> map = maps.map(sample, first);
    const S* const from = map.data() + rows.first * map.stride(0);
    const index side = map.stride(0), keys = rows.of.keys, row = whole_vectors(keys);
    if (count == 1) return simd_dispatch<ops::detail::across_kernel>(from, side, rows.count, keys, side, to, rows.step);
    std::fill_n(plain, rows.count * row, A(0));
    for (index h = 0; h < count; ++h)
      simd_dispatch<add_rows_kernel>(from + h * map.count(), side, plain, row, rows.count, side,
                                     A(1) / static_cast<A>(count), same_end{keys});
    simd_dispatch<ops::detail::across_kernel>(static_cast<const A*>(plain), row, rows.count, keys, row, to, rows.step);
  }
  /// What lies in the student's place flows back to each head.
  template <class G, class A>
  void add_gradient(const square_blocks<G, cpu>& maps, const score_rows<A>& rows, A* plain) const {
    const view<G, 2> map = maps.map(sample, first);
    const index side = map.stride(0), row = whole_vectors(rows.of.keys);
    simd_dispatch<ops::detail::across_kernel>(static_cast<const A*>(rows.student), rows.step, rows.of.keys, rows.count,
                                              rows.step, plain, row);
    for (index h = 0; h < count; ++h)
      simd_dispatch<add_rows_kernel>(static_cast<const A*>(plain), row,
                                     map.data() + h * map.count() + rows.first * side, side, rows.count, side,
                                     A(1) / static_cast<A>(count), visible_end{rows.of, rows.first, rows.causal});
  }
};

/// One map of one sample, be it the mean of several: the sum over its rows; adds `factor` times the gradient.
template <class A>
struct attention_kl_call {
  attention_map of;
  row_divergence measure;
  struct tag {};

  template <class S, class U, class G>
  A operator()(const pair_of_maps<S, U, G>& maps, const sample_rows& sample, const group_of_heads& mine,
               const group_of_heads& theirs, A factor) const {
    constexpr index step = 32;  // rows at a time
    const index block = step * whole_vectors(sample.keys);
    A* const memory = thread_scratch<tag, A>(4 * block);
    score_rows<A> rows{memory, memory + block, memory + 2 * block, step, sample, 0, 0, maps.student.causal};
    A* const plain = memory + 3 * block;
    A sum = 0;
    for (; rows.first < sample.keys; rows.first += step) {
      rows.count = std::min(step, sample.keys - rows.first);
      mine.load(maps.student, rows, plain, rows.student);
      theirs.load(maps.teacher, rows, plain, rows.teacher);
      compare(rows, factor, sum);
      if (!maps.gradient.empty()) mine.add_gradient(maps.gradient, rows, plain);
    }
    return sum;
  }

 private:
  void compare(const score_rows<A>& rows, A factor, A& sum) const {
    if (of == attention_map::probabilities)
      simd_dispatch<probability_rows_kernel>(measure, rows, factor, sum);
    else
      softened_rows(measure, rows, factor, sum);
  }
};

/// One pair of layers; `share` is what a row of one map counts, were it the only one, before the sample's own factor.
template <class Provider, class S, class U, class A, class G>
void attention_kl_layer(cpu, const cpu_executor<Provider>& on, attention_map of, row_divergence measure,
                        head_match match, view<const sample_rows, 1> rows, const pair_of_maps<S, U, G>& maps,
                        double share, const sink<A, cpu, G>& out) {
  const index compared = heads_compared("attention_kl", maps.student.heads, maps.teacher.heads, match);
  const index mine = maps.student.heads / compared, theirs = maps.teacher.heads / compared;
  const attention_kl_call<A> call{of, measure};
  parallel_each(on.threads, rows.extent(0), [&](index i) {
    const A factor = factor_of(out, static_cast<double>(compared) / share, i);
    if (factor == A(0)) return;
    A sum = 0;
    for (index m = 0; m < compared; ++m)
      sum += call(maps, rows(i), {i, m * mine, mine}, {i, m * theirs, theirs}, factor);
    if (!out.value.empty()) out.value(i) += factor * sum;
  });
}

}  // namespace limbeck::detail
