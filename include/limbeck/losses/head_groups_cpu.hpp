// Attention maps of models that may have different numbers of heads, on the host: groups of heads are averaged.
#pragma once

#include <algorithm>
#include <string>

#include "limbeck/core/executors.hpp"
#include "limbeck/losses/add_rows_cpu.hpp"
#include "limbeck/losses/representation.hpp"
#include "limbeck/ops/small_product_cpu.hpp"

namespace limbeck::detail {

/// The maps of a layer in both models; the gradient is empty where it is not wanted.
template <class S, class U, class G>
struct pair_of_maps {
  square_blocks<const S, cpu> student;
  square_blocks<const U, cpu> teacher;
  square_blocks<G, cpu> gradient;

  [[nodiscard]] index gradient_bytes() const {
    index count = 0;
    for (index i = 0; !gradient.empty() && i < gradient.at.extent(0); ++i)
      count += gradient.heads * gradient.at(i).side * gradient.at(i).side;
    return count * static_cast<index>(sizeof(G));
  }
  void check(const char* loss, head_match match) const {
    (void)heads_compared(loss, student.heads, teacher.heads, match);
    expects(gradient.empty() || gradient.heads == student.heads, [&] {
      return message(loss, ": ", student.heads, " heads of the student, ", gradient.heads, " of its gradient");
    });
    expects(student.causal || !teacher.causal,
            [&] { return message(loss, ": the teacher's maps are causal, the student's are not"); });
  }
};

[[nodiscard]] constexpr signal_set signal_of(attention_map which) {
  return which == attention_map::scores ? signal::scores : signal::probabilities;
}
template <class T>
[[nodiscard]] const per_layer<square_blocks<T, cpu>>& maps_of(const signals<T, cpu>& of, attention_map which) {
  return which == attention_map::scores ? of.scores : of.probabilities;
}

/// Calls compare(pair_of_maps, maps that are left to compare, pair) for every pair of layers that `map` shows, once
/// all are known to fit. Throws contract_error where samples, depths, heads or masks do not.
template <class Map, class S, class U, class A, class G, class Compare>
void for_each_map_pair(const char* loss, const Map& map, attention_map of, head_match match,
                       const signals<const S, cpu>& student, const signals<const U, cpu>& teacher,
                       const sink<A, cpu, G>& out, const Compare& compare) {
  const auto& mine = maps_of(student, of);
  const auto& shown = maps_of(teacher, of);
  const auto& gradient = maps_of(out.gradient, of);
  expects_same_samples(loss, student, teacher, out);
  const depths layers{mine.size(), shown.size()};
  const auto pair_of = [&](layer_pair p) {
    return pair_of_maps<S, U, G>{layer_of(loss, "student", mine, p.student),
                                 layer_of(loss, "teacher", shown, p.teacher),
                                 gradient.empty() ? square_blocks<G, cpu>{} : gradient[p.student]};
  };
  map(layers, [&](layer_pair p) { pair_of(p).check(loss, match); });
  map(layers, [&](layer_pair p) {
    const auto maps = pair_of(p);
    compare(maps, heads_compared(loss, maps.student.heads, maps.teacher.heads, match), p);
  });
}

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
void for_each_group(const pair_of_maps<S, U, G>& maps, index compared, index sample, const Compare& compare) {
  const index mine = maps.student.heads / compared, theirs = maps.teacher.heads / compared;
  for (index m = 0; m < compared; ++m)
    compare(group_of_heads{sample, m * mine, mine}, group_of_heads{sample, m * theirs, theirs});
}

}  // namespace limbeck::detail
