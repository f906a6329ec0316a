// Correlations of softened class scores on the host: a sweep over rows, one over columns, one over rows for gradients.
#pragma once

#include "limbeck/backend/scratch.hpp"
#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/losses/correlation.hpp"
#include "limbeck/losses/logit_rows.hpp"
#include "limbeck/losses/logit_sweeps_cpu.hpp"
#include "limbeck/losses/row_output_cpu.hpp"
#include "limbeck/ops/softmax_cpu.hpp"

namespace limbeck::detail {

/// Both distributions of the rows that count, [rows, padded classes], 0 behind the last class, and what is known of
/// them. Rows begin `step` apart, an odd number of cache lines: a column's numbers would share a few places of the
/// caches otherwise.
template <class A>
struct correlated_batch {
  A *student, *teacher;
  A *distance, *of_student, *of_teacher;                                                     // of rows
  A *column_distance, *column_of_student, *column_of_teacher, *student_mean, *teacher_mean;  // of columns
  const index* live;                                                                         // the row's number
  index rows, classes, padded, step;
};

/// Rows first .. last: distributions and correlations.
struct correlate_rows {
  template <int Bytes, class Rows, class A>
  LIMBECK_HD static void run(const Rows& rows, const correlation_terms<A>& terms, const correlated_batch<A>& batch,
                             index first, index last) {
    using V = simd_of_bytes<A, Bytes>;
    for (index i = first; i < last; ++i) {
      A *q = batch.student + i * batch.step, *p = batch.teacher + i * batch.step;
      soften<V>(rows.student, batch.live[i], terms, batch, q);
      soften<V>(rows.teacher, batch.live[i], terms, batch, p);
      const V mean(A(1) / static_cast<A>(batch.classes));
      const A student = sqrt(squares<V>(batch, q, q, V(1), V(0), mean));
      const A teacher = sqrt(squares<V>(batch, p, p, V(1), V(0), mean));
      const V s(student), t(teacher);
      const V apart(A(0.5) * squares<V>(batch, q, p, correlation<V>::evened(s, t), correlation<V>::evened(t, s), mean));
      const auto found = correlation<V>::of(s, t, apart, V(terms.epsilon));
      batch.distance[i] = found.distance[0];
      batch.of_student[i] = found.of_student[0];
      batch.of_teacher[i] = found.of_teacher[0];
    }
  }

 private:
  template <class V, class S, class A>
  LIMBECK_HD static void soften(const view<const S, 2>& logits, index row, const correlation_terms<A>& terms,
                                const correlated_batch<A>& batch, A* to) {
    call_kernel<stage_row, sizeof(V)>(&logits(row, 0), logits.stride(1), index{0}, batch.classes, to);
    for (index c = 0; c < batch.classes; c += V::width)
      store(to + c, V(terms.inverse_temperature) * load<V>(static_cast<const A*>(to + c)));
    ops::detail::softmax_row<V>(to, batch.classes, batch.padded);
  }
  // The sum over the classes of (a * (x - mean) - b * (y - mean))^2; the mean of a distribution is that of 1.
  template <class V, class A>
  LIMBECK_HD static A squares(const correlated_batch<A>& batch, const A* x, const A* y, const V& a, const V& b,
                              const V& mean) {
    V sum(0);
    for (index c = 0; c < batch.classes; c += V::width) {
      const V d = a * (load<V>(x + c) - mean) - b * (load<V>(y + c) - mean);
      sum += where(first_lanes<V>(batch.classes - c), d * d, V(0));
    }
    return horizontal_sum(sum);
  }
};

/// Columns first .. last, which are whole vectors: means and correlations.
struct correlate_columns {
  template <int Bytes, class A>
  LIMBECK_HD static void run(const correlation_terms<A>& terms, const correlated_batch<A>& batch, index first,
                             index last) {
    using V = simd_of_bytes<A, Bytes>;
    for (index c = first; c < last; c += V::width) {
      const both<V> mean = means<V>(batch, c), norm = norms(batch, c, mean);
      const both<V> evened = {correlation<V>::evened(norm.student, norm.teacher),
                              correlation<V>::evened(norm.teacher, norm.student)};
      const V apart = V(0.5) * squares_apart(batch, c, mean, evened);
      const auto found = correlation<V>::of(norm.student, norm.teacher, apart, V(terms.epsilon));
      store(batch.student_mean + c, mean.student);
      store(batch.teacher_mean + c, mean.teacher);
      store(batch.column_distance + c, found.distance);
      store(batch.column_of_student + c, found.of_student);
      store(batch.column_of_teacher + c, found.of_teacher);
    }
  }

 private:
  /// Of the student's columns and of the teacher's.
  template <class V>
  struct both {
    V student, teacher;
  };

  template <class V, class A>
  LIMBECK_HD static both<V> at(const correlated_batch<A>& batch, index row, index c) {
    const index place = row * batch.step + c;
    return {load<V>(static_cast<const A*>(batch.student + place)),
            load<V>(static_cast<const A*>(batch.teacher + place))};
  }
  template <class V, class A>
  LIMBECK_HD static both<V> means(const correlated_batch<A>& batch, index c) {
    both<V> sum{V(0), V(0)};
    for (index i = 0; i < batch.rows; ++i) {
      const both<V> x = at<V>(batch, i, c);
      sum.student += x.student;
      sum.teacher += x.teacher;
    }
    const V share(A(1) / static_cast<A>(batch.rows));
    return {sum.student * share, sum.teacher * share};
  }
  template <class V, class A>
  LIMBECK_HD static both<V> norms(const correlated_batch<A>& batch, index c, const both<V>& mean) {
    both<V> sum{V(0), V(0)};
    for (index i = 0; i < batch.rows; ++i) {
      const both<V> x = at<V>(batch, i, c);
      const V q = x.student - mean.student, p = x.teacher - mean.teacher;
      sum.student += q * q;
      sum.teacher += p * p;
    }
    return {sqrt(sum.student), sqrt(sum.teacher)};
  }
  // The sum over the rows of the squared difference of both less their means, each brought to the same norm.
  template <class V, class A>
  LIMBECK_HD static V squares_apart(const correlated_batch<A>& batch, index c, const both<V>& mean,
                                    const both<V>& evened) {
    V sum(0);
    for (index i = 0; i < batch.rows; ++i) {
      const both<V> x = at<V>(batch, i, c);
      const V d = evened.student * (x.student - mean.student) - evened.teacher * (x.teacher - mean.teacher);
      sum += d * d;
    }
    return sum;
  }
};

/// Adds the gradients of rows first .. last; of_columns: what the columns' correlations weigh. Leaves nothing of the
/// teacher's distributions.
struct correlation_gradient {
  template <int Bytes, class Rows, class A>
  LIMBECK_HD static void run(const Rows& rows, const correlation_terms<A>& terms, const correlated_batch<A>& batch,
                             A of_columns, index first, index last) {
    using V = simd_of_bytes<A, Bytes>;
    const V mean(A(1) / static_cast<A>(batch.classes));
    for (index i = first; i < last; ++i) {
      A *q = batch.student + i * batch.step, *p = batch.teacher + i * batch.step;
      const V of_row(-terms.beta * rows.factor(batch.live[i])), in_columns(-of_columns);
      const V own_teacher(batch.of_teacher[i]), own_student(batch.of_student[i]);
      for (index c = 0; c < batch.padded; c += V::width) {
        const V student = load<V>(static_cast<const A*>(q + c)), teacher = load<V>(static_cast<const A*>(p + c));
        const V along = own_teacher * (teacher - mean) - own_student * (student - mean);
        const V across = at<V>(batch.column_of_teacher, c) * (teacher - at<V>(batch.teacher_mean, c)) -
                         at<V>(batch.column_of_student, c) * (student - at<V>(batch.student_mean, c));
        store(p + c, of_row * along + in_columns * across);
      }
      ops::detail::softmax_row_backward<V>(static_cast<const A*>(q), p, batch.padded);
      add_to_row(rows, batch.live[i], terms.inverse_temperature, static_cast<const A*>(p));
    }
  }

 private:
  template <class V, class A>
  LIMBECK_HD static V at(const A* numbers, index c) {
    return load<V>(numbers + c);
  }
};

struct correlation_scratch {};
struct correlation_live {};

/// The rows that count, in memory of the calling thread; the gradients of the others are cleared where they are fresh.
template <class S, class U, class A, class G>
[[nodiscard]] correlated_batch<A> correlated_batch_of(const logit_rows<S, U, A, cpu, G>& rows) {
  constexpr index most = 64 / sizeof(A);
  correlated_batch<A> batch{};
  index* live = thread_scratch<correlation_live, index>(rows.count());
  for (index i = 0; i < rows.count(); ++i) {
    if (rows.factor(i) != A(0))
      live[batch.rows++] = i;
    else if (rows.fresh)
      clear_row(rows.gradients, i, 0, rows.classes);
  }
  batch.live = live;
  batch.classes = rows.classes;
  const index lines = (rows.classes + most - 1) / most;
  batch.padded = lines * most;
  batch.step = (lines | 1) * most;
  A* memory = thread_scratch<correlation_scratch, A>(2 * batch.rows * batch.step + 5 * batch.padded + 3 * batch.rows);
  const auto take = [&](index count) {
    A* const begin = memory;
    memory += count;
    return begin;
  };
  for (A** matrix : {&batch.student, &batch.teacher}) *matrix = take(batch.rows * batch.step);
  for (A** column : {&batch.column_distance, &batch.column_of_student, &batch.column_of_teacher, &batch.student_mean,
                     &batch.teacher_mean})
    *column = take(batch.padded);
  for (A** row : {&batch.distance, &batch.of_student, &batch.of_teacher}) *row = take(batch.rows);
  return batch;
}

template <class A, class S, class U, class G>
void correlation_rows(cpu, const auto& on, const correlation_terms<A>& terms, const logit_rows<S, U, A, cpu, G>& rows) {
  constexpr index worth_a_thread = 1 << 14, most = 64 / sizeof(A);
  const correlated_batch<A> batch = correlated_batch_of(rows);
  if (batch.rows == 0) return;
  parallel_for(on.threads, batch.rows, worth_a_thread / batch.padded + 1,
               [&](index first, index last) { simd_dispatch<correlate_rows>(rows, terms, batch, first, last); });
  parallel_for(on.threads, batch.padded / most, worth_a_thread / (most * batch.rows) + 1, [&](index first, index last) {
    simd_dispatch<correlate_columns>(terms, batch, first * most, last * most);
  });
  A of_columns = 0, all = 0;
  for (index c = 0; c < batch.classes; ++c) of_columns += batch.column_distance[c] / static_cast<A>(batch.classes);
  for (index i = 0; i < batch.rows; ++i) all += rows.factor(batch.live[i]);
  for (index i = 0; i < batch.rows && !rows.values.empty(); ++i)
    rows.values(rows.sample(batch.live[i])) +=
        rows.factor(batch.live[i]) * (terms.beta * batch.distance[i] + terms.gamma * of_columns);
  if (rows.gradients.empty()) return;
  const A in_columns = terms.gamma * all / static_cast<A>(batch.classes);
  parallel_for(on.threads, batch.rows, worth_a_thread / batch.padded + 1, [&](index first, index last) {
    simd_dispatch<correlation_gradient>(rows, terms, batch, in_columns, first, last);
  });
}

}  // namespace limbeck::detail
