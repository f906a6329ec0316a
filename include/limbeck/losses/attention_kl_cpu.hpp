// The divergence of attention maps on the host: a block of query rows of a head at a time, in working memory.
#pragma once

#include <algorithm>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/losses/head_groups_cpu.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/representation_cpu.hpp"
#include "limbeck/losses/score_rows_cpu.hpp"
#include "limbeck/ops/small_product_cpu.hpp"

namespace limbeck::detail {

/// One map of one sample, be it the mean of several: the sum over its rows; adds `factor` times the gradient.
template <class A>
struct attention_kl_call {
  attention_map of;
  row_divergence measure;
  struct tag {};

  template <class S, class U, class G>
  A operator()(const pair_of_maps<S, U, G>& maps, const sample_rows& sample, const group_of_heads& mine,
               const group_of_heads& theirs, A factor) const {
    constexpr index most = 32;  // rows at a time
    const index block = most * whole_vectors(sample.keys);
    A* const memory = thread_scratch<tag, A>(4 * block);
    score_rows<A> rows{memory, memory + block, memory + 2 * block, most, sample, 0, 0, maps.student.causal};
    A* const plain = memory + 3 * block;
    A sum = 0;
    for (; rows.first < sample.keys; rows.first += most) {
      rows.count = std::min(most, sample.keys - rows.first);
      lay_side_by_side(maps.student, mine, rows, plain, rows.student);
      lay_side_by_side(maps.teacher, theirs, rows, plain, rows.teacher);
      compare(rows, factor, sum);
      if (maps.gradient.empty()) continue;
      simd_dispatch<ops::detail::across_kernel>(static_cast<const A*>(rows.student), most, sample.keys, rows.count,
                                                most, plain, whole_vectors(sample.keys));
      mine.add_gradient(static_cast<const A*>(plain), plain_rows(rows), maps.gradient);
    }
    return sum;
  }

 private:
  static map_rows plain_rows(const score_rows<A>& rows) { return {rows.of, rows.first, rows.count, rows.causal}; }
  /// Rows of a group of heads go to `to` [keys, step], a column a row; by way of `plain` where there is more than one.
  template <class S>
  static void lay_side_by_side(const square_blocks<const S, cpu>& maps, const group_of_heads& heads,
                               const score_rows<A>& rows, A* plain, A* to) {
    const index keys = rows.of.keys, step = whole_vectors(keys);
    if (heads.count > 1) {
      heads.mean(maps, plain_rows(rows), plain);
      simd_dispatch<ops::detail::across_kernel>(static_cast<const A*>(plain), step, rows.count, keys, step, to,
                                                rows.step);
      return;
    }
    const view<const S, 2> map = maps.map(heads.sample, heads.first);
    const index side = map.stride(0);
    simd_dispatch<ops::detail::across_kernel>(map.data() + rows.first * side, side, rows.count, keys, side, to,
                                              rows.step);
  }
  void compare(const score_rows<A>& rows, A factor, A& sum) const {
    if (of == attention_map::probabilities)
      simd_dispatch<probability_rows_kernel>(measure, rows, factor, sum);
    else
      softened_rows(measure, rows, factor, sum);
  }
};

/// One pair of layers, of which `compared` maps are left to compare; `share` is what a row of one of them counts before
/// the sample's own factor.
template <class Provider, class S, class U, class A, class G>
void attention_kl_layer(cpu, const cpu_executor<Provider>& on, attention_map of, row_divergence measure, index compared,
                        view<const sample_rows, 1> rows, const pair_of_maps<S, U, G>& maps, double share,
                        const sink<A, cpu, G>& out) {
  const attention_kl_call<A> call{of, measure};
  for_each_counted_sample(on, rows.extent(0), 1 / share, out, [&](index i, A factor) {
    A sum = 0;
    for_each_group(maps, compared, i, [&](const group_of_heads& mine, const group_of_heads& theirs) {
      sum += call(maps, rows(i), mine, theirs, factor);
    });
    return sum;
  });
}

}  // namespace limbeck::detail
