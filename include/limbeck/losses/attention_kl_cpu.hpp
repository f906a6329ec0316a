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

/// Heads that are averaged: `count` of one sample from `first` on, and rows of their maps.
struct group_of_heads {
  index sample, first, count;

  /// The mean of rows [count, keys] goes to `to`.
  template <class S, class A>
  void load(const square_blocks<const S, cpu>& maps, const score_rows<A>& rows, A* to) const {
    const view<const S, 2> map = maps.map(sample, first);
    const S* const from = map.data() + rows.first * map.stride(0);
    if (count == 1)
      return simd_dispatch<ops::detail::copy_rows_kernel>(from, map.stride(0), to, rows.keys, rows.count, rows.of.keys);
    std::fill_n(to, rows.count * rows.keys, A(0));
    for (index h = 0; h < count; ++h)
      simd_dispatch<add_rows_kernel>(from + h * map.count(), map.stride(0), to, rows.keys, rows.count,
                                     A(1) / static_cast<A>(count), same_end{rows.of.keys});
  }
  /// What the student's rows hold flows back to each head.
  template <class G, class A>
  void add_gradient(const square_blocks<G, cpu>& maps, const score_rows<A>& rows) const {
    const view<G, 2> map = maps.map(sample, first);
    for (index h = 0; h < count; ++h)
      simd_dispatch<add_rows_kernel>(static_cast<const A*>(rows.student), rows.keys,
                                     map.data() + h * map.count() + rows.first * map.stride(0), map.stride(0),
                                     rows.count, A(1) / static_cast<A>(count), visible_end<A>{rows});
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
    constexpr index most_rows = 16;  // both models' rows of a few hundred keys stay in the first cache
    const index keys = whole_vectors(sample.keys);
    A* const memory = thread_scratch<tag, A>((2 * most_rows + 2) * keys);
    score_rows<A> rows{memory, memory + most_rows * keys, memory + 2 * most_rows * keys, keys, sample, 0,
                       0,      maps.student.causal};
    A sum = 0;
    for (; rows.first < sample.keys; rows.first += most_rows) {
      rows.count = std::min(most_rows, sample.keys - rows.first);
      mine.load(maps.student, rows, rows.student);
      theirs.load(maps.teacher, rows, rows.teacher);
      compare(rows, factor, sum);
      if (!maps.gradient.empty()) mine.add_gradient(maps.gradient, rows);
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
