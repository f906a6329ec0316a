// The squared difference of attention maps on the host.
#pragma once

#include <algorithm>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/losses/head_groups_cpu.hpp"
#include "limbeck/losses/representation_cpu.hpp"

namespace limbeck::detail {

/// One map of one sample: the sum over its entries; its gradient is added to, or written, where it is wanted.
template <class A, class S, class U, class G>
[[nodiscard]] A map_error(mask_mode mode, const pair_of_maps<S, U, G>& maps, const map_rows& rows, index sample,
                          index head, A factor, row_output how) {
  A sum = 0;
  const view<const S, 2> s = maps.student.map(sample, head);
  const view<const U, 2> t = maps.teacher.map(sample, head);
  if (maps.gradient.empty()) {
    for (index r = 0; r < rows.count; ++r)
      sum += squared_error(mode, &s(r, 0), &t(r, 0), rows.visible(r), factor, static_cast<G*>(nullptr));
    return sum;
  }
  const view<G, 2> g = maps.gradient.map(sample, head);
  for (index r = 0; r < rows.count; ++r) {
    const index visible = rows.visible(r);
    sum += squared_error(mode, &s(r, 0), &t(r, 0), visible, factor, &g(r, 0), how);
    if (how != row_output::add) clear_run(&g(r, 0) + visible, g.extent(1) - visible, how);
  }
  if (how != row_output::add)
    clear_run(g.data() + rows.count * g.stride(0), (g.extent(0) - rows.count) * g.stride(0), how);
  return sum;
}

/// Zeros in all maps of a sample.
template <class G>
void clear_maps(const square_blocks<G, cpu>& maps, index sample, row_output how) {
  const view<G, 2> first = maps.map(sample, 0);
  clear_run(first.data(), maps.heads * first.count(), how);
}

struct mean_map_memory {};

/// The same for the means of groups of heads.
template <class A, class S, class U, class G>
[[nodiscard]] A mean_map_error(mask_mode mode, const pair_of_maps<S, U, G>& maps, map_rows rows,
                               const group_of_heads& mine, const group_of_heads& theirs, A factor) {
  constexpr index most = 32;  // rows at a time
  const index end = rows.count, step = rows.step();
  A *const s = thread_scratch<mean_map_memory, A>(3 * most * step), *const t = s + most * step,
           *const d = t + most * step;
  A sum = 0;
  for (; rows.first < end; rows.first += most) {
    rows.count = std::min(most, end - rows.first);
    mine.mean(maps.student, rows, s);
    theirs.mean(maps.teacher, rows, t);
    for (index r = 0; r < rows.count; ++r)
      sum += squared_error(mode, static_cast<const A*>(s + r * step), static_cast<const A*>(t + r * step),
                           rows.visible(r), factor, d + r * step, row_output::write);
    if (!maps.gradient.empty()) mine.add_gradient(static_cast<const A*>(d), rows, maps.gradient);
  }
  return sum;
}

/// One pair of layers, of which `compared` maps are left to compare; `share` is what each squared difference counts
/// before the sample's own factor.
template <class Provider, class S, class U, class A, class G>
void attention_mse_layer(cpu, const cpu_executor<Provider>& on, mask_mode mode, index compared,
                         view<const sample_rows, 1> rows, const pair_of_maps<S, U, G>& maps, double share,
                         row_output how, const sink<A, cpu, G>& out) {
  const bool one_by_one = compared == maps.student.heads && compared == maps.teacher.heads;
  const bool writes = how != row_output::add && !maps.gradient.empty();
  const auto compare = [&](index i) {
    const A factor = factor_of(out, 1 / share, i);
    if (writes && (factor == A(0) || !one_by_one)) clear_maps(maps.gradient, i, one_by_one ? how : row_output::write);
    if (factor == A(0)) return;
    const map_rows all{rows(i), 0, mode == mask_mode::exact ? rows(i).keys : rows(i).length, maps.student.causal};
    A sum = 0;
    for_each_group(maps, compared, i, [&](const group_of_heads& mine, const group_of_heads& theirs) {
      sum += one_by_one ? map_error(mode, maps, all, i, mine.first, factor, how)
                        : mean_map_error(mode, maps, all, mine, theirs, factor);
    });
    if (!out.value.empty()) out.value(i) += factor * sum;
  };
  parallel_for(on.threads, rows.extent(0), index{1}, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) compare(i);
    if (writes) finish_stores_past_caches();
  });
}

}  // namespace limbeck::detail
