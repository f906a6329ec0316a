// Attention maps of models that may have different numbers of heads, on the host: groups of heads are averaged.
#pragma once

#include <algorithm>

#include "limbeck/core/executors.hpp"
#include "limbeck/losses/add_rows_cpu.hpp"
#include "limbeck/losses/map_pairs.hpp"
#include "limbeck/losses/representation_cpu.hpp"
#include "limbeck/ops/small_product_cpu.hpp"

namespace limbeck::detail {

/// Query rows `first` .. `first + count` of a sample's maps.
struct map_rows {
  sample_rows of;
  index first, count;
  bool causal;

  [[nodiscard]] index visible(index row) const { return visible_keys(of, first + row, causal); }
  /// Of working memory, a row for each; the keys as whole vectors.
  [[nodiscard]] index step() const { return whole_vectors(of.keys); }
};

/// Heads that are averaged: `count` of one sample from `first` on.
struct group_of_heads {
  index sample, first, count;

  /// The mean of rows of their maps goes to `to` [count, step].
  template <class S, class A>
  void mean(const square_blocks<const S, cpu>& maps, const map_rows& rows, A* to) const {
    const view<const S, 2> map = maps.map(sample, first);
    const index side = map.stride(0);
    std::fill_n(to, rows.count * rows.step(), A(0));
    for (index h = 0; h < count; ++h)
      simd_dispatch<add_rows_kernel>(map.data() + h * map.count() + rows.first * side, side, to, rows.step(),
                                     rows.count, side, A(1) / static_cast<A>(count), same_end{rows.of.keys});
  }
  /// The gradient of that mean, [count, step], flows back to each head.
  template <class G, class A>
  void add_gradient(const A* from, const map_rows& rows, const square_blocks<G, cpu>& maps) const {
    const view<G, 2> map = maps.map(sample, first);
    const index side = map.stride(0);
    for (index h = 0; h < count; ++h)
      simd_dispatch<add_rows_kernel>(from, rows.step(), map.data() + h * map.count() + rows.first * side, side,
                                     rows.count, side, A(1) / static_cast<A>(count),
                                     visible_end{rows.of, rows.first, rows.causal});
  }
};

/// Calls compare(heads of the student, heads of the teacher) for each map of a sample that is left to compare.
template <class S, class U, class G, class Compare>
void for_each_group(const pair_of_maps<S, U, G, cpu>& maps, index compared, index sample, const Compare& compare) {
  const index mine = maps.student.heads / compared, theirs = maps.teacher.heads / compared;
  for (index m = 0; m < compared; ++m)
    compare(group_of_heads{sample, m * mine, mine}, group_of_heads{sample, m * theirs, theirs});
}

}  // namespace limbeck::detail
