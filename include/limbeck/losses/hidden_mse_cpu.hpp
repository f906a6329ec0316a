// The squared difference of hidden states on the host, with a projection or without.
#pragma once

#include <algorithm>
#include <concepts>
#include <string>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/losses/projection.hpp"
#include "limbeck/losses/representation.hpp"
#include "limbeck/ops/linear.hpp"

namespace limbeck::detail {

[[nodiscard]] inline index rows_that_count(const sample_rows& s, mask_mode mode) {
  return mode == mask_mode::exact ? s.keys : s.length;
}

/// Adds the values of one pair of states; writes 2 factor (s - t) to, or adds it to, the rows of `gradient`.
template <class Provider, class S, class U, class A, class G>
void state_errors(const cpu_executor<Provider>& on, mask_mode mode, view<const sample_rows, 1> rows, index first_row,
                  view<const S, 2> student, view<const U, 2> teacher, view<G, 2> gradient, double share,
                  const sink<A, cpu, G>& out) {
  const index width = teacher.extent(1);
  parallel_for(on.threads, rows.extent(0), index{1}, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const A factor = factor_of(out, static_cast<double>(width) / share, i);
      if (factor == A(0)) continue;
      const index at = rows(i).begin;
      A sum = 0;
      for (index r = at; r < at + rows_that_count(rows(i), mode); ++r)
        sum += squared_error(mask_mode::exact, &student(r - first_row, 0), &teacher(r, 0), width, factor,
                             gradient.empty() ? static_cast<G*>(nullptr) : &gradient(r - first_row, 0));
      if (!out.value.empty()) out.value(i) += factor * sum;
    }
  });
}

template <class Provider, class S, class U, class A, class G>
void state_mse(cpu, const cpu_executor<Provider>& on, const char* loss, const no_projection&, mask_mode mode,
               view<const sample_rows, 1> rows, view<const S, 2> student, view<const U, 2> teacher,
               view<G, 2> gradient, double share, const sink<A, cpu, G>& out) {
  expects(student.extent(1) == teacher.extent(1), [&] {
    return std::string(loss) + ": the student is " + std::to_string(student.extent(1)) + " wide, the teacher " +
           std::to_string(teacher.extent(1)) + "; give it a linear_projection";
  });
  state_errors(on, mode, rows, 0, student, teacher, gradient, share, out);
}

struct projected_memory {};
struct projected_gradient_memory {};

/// Samples `first` .. `last` whose rows follow each other without a gap.
struct run_of_samples {
  index first, last, begin, end;  ///< samples; rows
};
[[nodiscard]] inline run_of_samples next_run(view<const sample_rows, 1> rows, mask_mode mode, index first) {
  run_of_samples run{first, first + 1, rows(first).begin, rows(first).begin + rows_that_count(rows(first), mode)};
  constexpr index long_enough = 512;  // rows of a product; their projection stays in cache
  while (run.last < rows.extent(0) && rows(run.last).begin == run.end && run.end - run.begin < long_enough)
    run.end += rows_that_count(rows(run.last++), mode);
  return run;
}

template <class Provider, class S, class U, class A, class G>
void state_mse(cpu, const cpu_executor<Provider>& on, const char* loss, const linear_projection<A>& p, mask_mode mode,
               view<const sample_rows, 1> rows, view<const S, 2> student, view<const U, 2> teacher,
               view<G, 2> gradient, double share, const sink<A, cpu, G>& out) {
  static_assert(std::same_as<S, A> && std::same_as<G, A>, "a projected loss needs a student in its compute type");
  expects(p.weight.extent(0) == teacher.extent(1) && p.weight.extent(1) == student.extent(1), [&] {
    return std::string(loss) + ": projection " + shape_text(p.weight) + ", teacher's width " +
           std::to_string(teacher.extent(1)) + ", student's width " + std::to_string(student.extent(1));
  });
  const index width = teacher.extent(1);
  for (run_of_samples run{}; run.last < rows.extent(0);) {
    run = next_run(rows, mode, run.last);
    const index count = run.end - run.begin;
    if (count == 0) continue;
    const view<A, 2> y(thread_scratch<projected_memory, A>(count * width), count, width);
    const view<A, 2> dy(thread_scratch<projected_gradient_memory, A>(count * width), count, width);
    const view<const A, 2> h = row_block(student, run.begin, count);
    ops::linear(on, h, p.weight, p.bias, y);
    std::fill_n(dy.data(), count * width, A(0));
    const view<const sample_rows, 1> here(&rows(run.first), run.last - run.first);
    sink<A, cpu, G> part = out;
    if (!part.value.empty()) part.value = view<A, 1>(&out.value(run.first), here.extent(0));
    if (!part.weight.empty()) part.weight = view<const A, 1>(&out.weight(run.first), here.extent(0));
    state_errors(on, mode, here, run.begin, read_only(y), teacher, dy, share, part);
    ops::linear_backward(on, h, p.weight, read_only(dy), p.weight_gradient, p.bias_gradient,
                         gradient.empty() ? gradient : row_block(gradient, run.begin, count), true);
  }
}

}  // namespace limbeck::detail
