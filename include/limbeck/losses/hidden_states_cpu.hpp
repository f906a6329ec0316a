// Compares hidden states on the host token by token, with a projection or without.
#pragma once

#include <algorithm>
#include <concepts>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/backend/simd_memory.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/losses/projection.hpp"
#include "limbeck/losses/representation_cpu.hpp"
#include "limbeck/ops/linear.hpp"

namespace limbeck::detail {

template <class G>
void clear_rows(view<G, 2> rows, index begin, index end) {
  for (index r = begin; r < end; ++r) std::fill_n(&rows(r, 0), rows.extent(1), G(0.0F));
}

/// Adds the values of one pair of states: factor * compare(student's row, teacher's, width, factor, row of `gradient`
/// or null) for each row that counts, which adds to the gradient, or writes it if compare.writes(): then the rows of
/// samples that do not count are cleared. The factor of a sample is its weight / `count`.
template <class Provider, class Compare, class S, class U, class A, class G>
void compare_rows_of_states(const cpu_executor<Provider>& on, const Compare& compare, mask_mode mode,
                            view<const sample_rows, 1> rows, view<const sample_rows, 1> teacher_rows, index first_row,
                            view<const S, 2> student, view<const U, 2> teacher, view<G, 2> gradient, double count,
                            const sink<A, cpu, G>& out) {
  const index width = teacher.extent(1);
  parallel_for(on.threads, rows.extent(0), index{1}, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const A factor = factor_of(out, count, i);
      const index at = rows(i).begin - first_row, teacher_at = teacher_rows(i).begin;
      const index counting = factor == A(0) ? 0 : rows_that_count(rows(i), mode);
      if (compare.writes() && !gradient.empty()) clear_rows(gradient, at + counting, at + rows(i).length);
      if (counting == 0) continue;
      A sum = 0;
      for (index r = 0; r < counting; ++r)
        sum += compare(&student(at + r, 0), &teacher(teacher_at + r, 0), width, factor,
                       gradient.empty() ? static_cast<G*>(nullptr) : &gradient(at + r, 0));
      if (!out.value.empty()) out.value(i) += factor * sum;
    }
    if (compare.writes()) finish_stores_past_caches();
  });
}

template <class Provider, class Compare, class S, class U, class A, class G>
void compare_states(cpu, const cpu_executor<Provider>& on, const Compare& compare, const no_projection&, mask_mode mode,
                    view<const sample_rows, 1> rows, view<const sample_rows, 1> teacher_rows, view<const S, 2> student,
                    view<const U, 2> teacher, view<G, 2> gradient, double count, const sink<A, cpu, G>& out) {
  compare_rows_of_states(on, compare, mode, rows, teacher_rows, 0, student, teacher, gradient, count, out);
}

struct projected_memory {};
struct projected_gradient_memory {};

/// Samples `first` .. `last` whose rows follow each other without a gap, all of which count: what stands in the rows of
/// the others may be garbage, and a product with 0 would spread it.
struct run_of_samples {
  index first, last, begin, end;  ///< samples; rows
};
[[nodiscard]] run_of_samples next_run(view<const sample_rows, 1> rows, mask_mode mode, index first,
                                      const auto& skipped) {
  while (first < rows.extent(0) && skipped(first)) ++first;
  if (first == rows.extent(0)) return {first, first, 0, 0};
  run_of_samples run{first, first, rows(first).begin, rows(first).begin};
  constexpr index long_enough = 512;  // rows of a product; their projection stays in cache
  while (run.last < rows.extent(0) && !skipped(run.last) && rows(run.last).begin == run.end &&
         run.end - run.begin < long_enough)
    run.end += rows_that_count(rows(run.last++), mode);
  return run;
}

template <class Provider, class Compare, class S, class U, class A, class G>
void compare_states(cpu, const cpu_executor<Provider>& on, const Compare& compare, const linear_projection<A>& p,
                    mask_mode mode, view<const sample_rows, 1> rows, view<const sample_rows, 1> teacher_rows,
                    view<const S, 2> student, view<const U, 2> teacher, view<G, 2> gradient, double count,
                    const sink<A, cpu, G>& out) {
  static_assert(std::same_as<S, A> && std::same_as<G, A>, "a projected loss needs a student in its compute type");
  const index width = teacher.extent(1);
  const auto skipped = [&](index i) { return factor_of(out, count, i) == A(0); };
  for (index i = 0; i < rows.extent(0) && compare.writes() && !gradient.empty(); ++i)
    clear_rows(gradient, rows(i).begin, rows(i).begin + rows(i).length);
  for (run_of_samples run{}; run.last < rows.extent(0);) {
    run = next_run(rows, mode, run.last, skipped);
    const index tokens = run.end - run.begin;
    if (tokens == 0) continue;
    const view<A, 2> y(thread_scratch<projected_memory, A>(tokens * width), tokens, width);
    const view<A, 2> dy(thread_scratch<projected_gradient_memory, A>(tokens * width), tokens, width);
    const view<const A, 2> h = row_block(student, run.begin, tokens);
    ops::linear(on, h, p.weight, p.bias, y);
    std::fill_n(dy.data(), tokens * width, A(0));
    const view<const sample_rows, 1> here(&rows(run.first), run.last - run.first);
    const view<const sample_rows, 1> there(&teacher_rows(run.first), run.last - run.first);
    sink<A, cpu, G> part = out;
    if (!part.value.empty()) part.value = view<A, 1>(&out.value(run.first), here.extent(0));
    if (!part.weight.empty()) part.weight = view<const A, 1>(&out.weight(run.first), here.extent(0));
    compare_rows_of_states(on, compare.adding(), mode, here, there, run.begin, read_only(y), teacher, dy, count, part);
    ops::linear_backward(on, h, p.weight, read_only(dy), p.weight_gradient, p.bias_gradient,
                         gradient.empty() ? gradient : row_block(gradient, run.begin, tokens), true);
  }
}

}  // namespace limbeck::detail
