// Self-attention relations on the host: a relation head of a sample at a time, in blocks of rows that stay in cache.
// What is padding is never computed.
#pragma once

#include <algorithm>
#include <type_traits>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/losses/add_rows_cpu.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/relation_heads.hpp"
#include "limbeck/losses/representation_cpu.hpp"
#include "limbeck/losses/score_rows_cpu.hpp"
#include "limbeck/ops/small_product_cpu.hpp"

namespace limbeck::detail {

inline constexpr index relation_block = 64;  // rows of a relation that are held at a time

/// What one head works with: matrices whose rows are whole vectors.
template <class A>
struct relation_memory {
  index keys, width, step;             ///< of a row of what lies across; of the student's head; of the relations
  A *student_across, *teacher_across;  ///< [head width, keys]
  A *vectors, *gradient;               ///< [keys, width], of the student
  A *student, *teacher;                ///< [keys, step]: the relations
  A* room;                             ///< [2, keys, 16]

  struct tag {};
  relation_memory(index tokens, index student_width, index teacher_width)
      : keys(whole_vectors(tokens)), width(whole_vectors(student_width)), step(std::min(relation_block, keys)) {
    const index block = step * keys, tall = keys * width;
    student_across = thread_scratch<tag, A>((student_width + teacher_width + 32) * keys + 2 * tall + 2 * block);
    teacher_across = student_across + student_width * keys;
    vectors = teacher_across + teacher_width * keys;
    gradient = vectors + tall;
    student = gradient + tall;
    teacher = student + block;
    room = teacher + block;
  }
};

/// Columns `head * width` .. of a sample's tokens, one token beside the other: [width, keys].
template <class T, class A>
void head_across(const view<const T, 2>& of, const sample_rows& sample, index head, index width, A* across,
                 index keys) {
  simd_dispatch<ops::detail::across_kernel>(of.data() + sample.begin * of.stride(0) + head * width, of.stride(0),
                                            sample.keys, width, of.extent(1) - head * width, across, keys);
}

/// The student's head, a token a row, as the right factor of a product: in place, unless it is stored as something else
/// or reading whole vectors would leave the matrix.
template <class S, class A>
ops::detail::rows_of_vectors<const A> head_of_rows(const view<const S, 2>& of, const sample_rows& sample, index column,
                                                   index width, const relation_memory<A>& m) {
  const S* const from = of.data() + sample.begin * of.stride(0) + column;
  if constexpr (std::is_same_v<S, A>)
    if (column + m.width <= of.extent(1)) return {from, of.stride(0)};
  simd_dispatch<ops::detail::copy_rows_kernel>(from, of.stride(0), m.vectors, m.width, sample.keys, width);
  return {m.vectors, m.width};
}

/// Relations of one layer, be it of queries, keys or values: softmax(x x' / sqrt(width of a head)), head by head.
template <class A>
struct relation_call {
  index heads;
  bool causal;

  /// The sum over one head's rows; adds `factor` times the gradient.
  template <class S, class U, class G>
  A operator()(const pair_of_vectors<S, U, G, cpu>& x, const sample_rows& mine, const sample_rows& theirs, index head,
               A factor) const {
    const index width = x.student.extent(1) / heads, teacher_width = x.teacher.extent(1) / heads;
    const relation_memory<A> m(mine.keys, width, teacher_width);
    head_across(x.student, mine, head, width, m.student_across, m.keys);
    head_across(x.teacher, theirs, head, teacher_width, m.teacher_across, m.keys);
    const bool flows = !x.gradient.empty();
    const index column = head * width;
    const auto vectors = flows ? head_of_rows(x.student, mine, column, width, m) : rows_of_vectors{};
    A sum = 0;
    for (index first = 0; first < mine.keys; first += m.step) {
      const score_rows<A> rows{m.student, m.teacher, m.room, m.step, mine, first, std::min(m.step, mine.keys - first),
                               causal};
      relate(rows, m, m.student_across, width, m.student);
      relate(rows, m, m.teacher_across, teacher_width, m.teacher);
      softened_rows(row_divergence::kl, rows, factor, sum);
      if (flows) flow_back(rows, m, vectors, width);
    }
    if (flows)
      simd_dispatch<add_rows_kernel>(
          static_cast<const A*>(m.gradient), m.width, x.gradient.data() + mine.begin * x.gradient.stride(0) + column,
          x.gradient.stride(0), mine.keys, x.gradient.extent(1) - column, A(1), same_end{width});
    return sum;
  }

 private:
  using rows_of_vectors = ops::detail::rows_of_vectors<const A>;

  /// Columns of x x' / sqrt(width), which are its rows as well.
  static void relate(const score_rows<A>& rows, const relation_memory<A>& m, const A* across, index width, A* to) {
    ops::detail::small_product<A>({across, 1, m.keys}, {across + rows.first, m.keys}, {to, m.step}, rows.of.keys, width,
                                  rows.count, scale_of_head<A>(width), false);
  }
  /// From d columns, which lie in the student's place, to d x: each row of x is both a row and a column of the
  /// relation.
  static void flow_back(const score_rows<A>& rows, const relation_memory<A>& m, const rows_of_vectors& x, index width) {
    const A scale = scale_of_head<A>(width);
    ops::detail::small_product<A>({m.student, m.step, 1}, {x.data + rows.first * x.row, x.row}, {m.gradient, m.width},
                                  rows.of.keys, rows.count, width, scale, rows.first > 0);
    ops::detail::small_product<A>({m.student, 1, m.step}, x, {m.gradient + rows.first * m.width, m.width}, rows.count,
                                  rows.of.keys, width, scale, true);
  }
};

/// One pair of layers; `share` is what a row of one head counts before the sample's own factor.
template <class Provider, class S, class U, class A, class G>
void relation_layer(cpu, const cpu_executor<Provider>& on, index heads, bool causal, view<const sample_rows, 1> rows,
                    view<const sample_rows, 1> teacher_rows, const pair_of_vectors<S, U, G, cpu>& x, double share,
                    const sink<A, cpu, G>& out) {
  const relation_call<A> call{heads, causal};
  for_each_counted_sample(on, rows.extent(0), 1 / share, out, [&](index i, A factor) {
    A sum = 0;
    for (index head = 0; head < heads; ++head) sum += call(x, rows(i), teacher_rows(i), head, factor);
    return sum;
  });
}

}  // namespace limbeck::detail
