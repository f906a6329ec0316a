// How the vectors of a batch lie to one another, on the host. Both relations come from the squared distances of pairs:
// angles by the law of cosines, so that a triple costs a few operations whatever the width.
#pragma once

#include <algorithm>
#include <cmath>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/huber.hpp"
#include "limbeck/losses/sample_vectors_cpu.hpp"
#include "limbeck/losses/vector_products_cpu.hpp"

namespace limbeck::detail {

/// A number for each two vectors of a batch, in rows of whole vectors; 0 behind the last.
struct pair_table {
  double* data = nullptr;
  index count = 0, step = 0;

  static constexpr index whole = 8;  // doubles of the widest vectors
  [[nodiscard]] static index size(index count) { return count * ((count + whole - 1) / whole * whole); }
  [[nodiscard]] static pair_table of(index count, memory_pieces<double>& memory) {
    const pair_table made{memory.take(size(count)), count, size(count) / count};
    std::fill_n(made.data, size(count), 0.0);
    return made;
  }
  [[nodiscard]] double* operator[](index i) const { return data + i * step; }
};

inline constexpr index pair_work_worth_a_thread = 1 << 14;  // elements

struct widened_vectors {};

/// The squared distances of all pairs of vectors, each computed once: of vector i and the half of the others that
/// follows it, round the end. In double: what angles are made of nearly cancels where one side of a triangle is short.
/// Returns the vectors in double, valid until the next call.
template <class A>
const double* square_distances(int threads, const A* vectors, index width, const pair_table& to) {
  const index n = to.count, half = n / 2;
  double* const wide = thread_scratch<widened_vectors, double>(n * width);
  std::copy_n(vectors, n * width, wide);
  parallel_for(threads, n, pair_work_worth_a_thread / (half * width + 1) + 1, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const auto measure = [&, i](index first, index last) {
        if (first >= last) return;
        simd_dispatch<measure_rows_kernel<squared_distance_of>>(wide + i * width, wide + first * width, last - first,
                                                                width, to[i] + first);
        for (index j = first; j < last; ++j) to[j][i] = to[i][j];
      };
      const index last = i + 1 + (2 * half == n && i >= half ? half - 1 : half);  // one of both has the pair half round
      measure(i + 1, std::min(last, n));
      measure(0, last - n);
    }
  });
  return wide;
}

struct apart_memory {};

/// The gradient of each vector i += the sum over j of factor(i, j) * (vector i - vector j), summed in double from
/// `wide`, the student's vectors.
template <class A, class Factor>
void push_apart(int threads, const vector_batch<A>& batch, const double* wide, const Factor& factor) {
  const index n = batch.count, width = batch.student_width;
  parallel_for(threads, n, pair_work_worth_a_thread / (n * width) + 1, [&](index begin, index end) {
    memory_pieces<double> memory(thread_scratch<apart_memory, double>(n + width));
    double *const factors = memory.take(n), *const slope = memory.take(width);
    for (index i = begin; i < end; ++i) {
      for (index j = 0; j < n; ++j) factors[j] = i == j ? 0 : factor(i, j);
      std::fill_n(slope, width, 0.0);
      simd_dispatch<combine_rows_kernel<away_from_row>>(wide + i * width, wide, n, width, factors, slope);
      for (index c = 0; c < width; ++c) batch.slope(i)[c] += static_cast<A>(slope[c]);
    }
  });
}

inline void take_roots(const pair_table& of) {
  for (index i = 0; i < of.count; ++i)
    for (index j = 0; j < of.count; ++j) of[i][j] = std::sqrt(of[i][j]);
}

/// The mean of those distances that are not 0, and how many these are.
struct mean_distance {
  double mean = 0;
  index apart = 0;

  [[nodiscard]] static mean_distance of(const pair_table& distances) {
    mean_distance found;
    for (index i = 0; i < distances.count; ++i)
      for (index j = 0; j < distances.count; ++j) {
        found.mean += distances[i][j];
        found.apart += distances[i][j] != 0;
      }
    if (found.apart > 0) found.mean /= static_cast<double>(found.apart);
    return found;
  }
  [[nodiscard]] double inverse() const { return apart == 0 ? 0 : 1 / mean; }
};

/// What adds to the values of a batch's samples, where these are wanted.
template <class A>
[[nodiscard]] auto to_samples(const vector_batch<A>& batch, const view<A, 1>& value) {
  return [&batch, value](index i, double x) {
    if (!value.empty()) value(batch.sample[i]) += static_cast<A>(x);
  };
}

struct pair_memory {};

/// The distances of pairs, over their means, compared; add(i, x): adds to the value of vector i.
template <class A, class Add>
void compare_distances(int threads, const vector_batch<A>& batch, double delta, const Add& add) {
  const index n = batch.count;
  memory_pieces<double> memory(thread_scratch<pair_memory, double>(3 * pair_table::size(n)));
  const auto own = pair_table::of(n, memory), shown = pair_table::of(n, memory), slope = pair_table::of(n, memory);
  square_distances(threads, batch.teacher, batch.teacher_width, shown);
  const double* const wide = square_distances(threads, batch.student, batch.student_width, own);
  take_roots(own);
  take_roots(shown);
  const mean_distance of_own = mean_distance::of(own);
  const double by = of_own.inverse(), by_shown = mean_distance::of(shown).inverse();
  const huber<double> compare{delta};
  double through_mean = 0;
  for (index i = 0; i < n; ++i) {
    const double share = static_cast<double>(batch.factor[i]) / static_cast<double>(n);
    double sum = 0;
    for (index j = 0; j < n; ++j) {
      const double gap = own[i][j] * by - shown[i][j] * by_shown;
      sum += compare.value(gap);
      slope[i][j] = share * compare.slope(gap) * by;
      through_mean += slope[i][j] * own[i][j] * by;
    }
    add(i, share * sum);
  }
  if (batch.gradient == nullptr || of_own.apart == 0) return;
  const double mean_slope = 2 * through_mean / static_cast<double>(of_own.apart);
  push_apart(threads, batch, wide, [&](index i, index j) {
    return own[i][j] == 0 ? 0 : (slope[i][j] + slope[j][i] - mean_slope) / own[i][j];
  });
}

/// What angles at every vertex are made of, and what becomes of them.
struct angle_tables {
  pair_table own, shown;                  ///< squared distances
  pair_table own_inverse, shown_inverse;  ///< 1 / distance, 0 where there is none
  pair_table value;                       ///< [j][i]: of the angles at i with j on one side
  pair_table slope;                       ///< by the squared distance, before it is made symmetric

  angle_tables(index count, memory_pieces<double>& memory)
      : own(pair_table::of(count, memory)),
        shown(pair_table::of(count, memory)),
        own_inverse(pair_table::of(count, memory)),
        shown_inverse(pair_table::of(count, memory)),
        value(pair_table::of(count, memory)),
        slope(pair_table::of(count, memory)) {}

  static constexpr index tables = 6;
};

/// The angles with vectors first .. last on one side, at every vertex and with every other side: their values, and
/// their slopes in rows first .. last. factor[i]: what the angles at i count together.
struct compare_angles {
  template <int Bytes, class A>
  LIMBECK_HD static void run(const angle_tables& t, const A* factor, double delta, index first, index last) {
    using V = simd_of_bytes<double, Bytes>;
    const index n = t.own.count;
    const double triples_of_vertex = static_cast<double>(n) * static_cast<double>(n);
    const huber<V> compare{V(delta)};
    for (index j = first; j < last; ++j)
      for (index i = 0; i < n; ++i) {
        const double share = static_cast<double>(factor[i]) / triples_of_vertex, inverse = t.own_inverse[j][i];
        const side_of_angles<V> side{V(t.own[j][i]), V(inverse / 2), V(t.shown[j][i]), V(t.shown_inverse[j][i] / 2)};
        const V across(share * inverse / 2);
        sums_of_angles<V> sums{V(0.0), V(0.0), V(0.0)};
        for (index k = 0; k < t.own.step; k += V::width) {
          const other_sides<V> own{at<V>(t.own, i, k), at<V>(t.own, j, k), at<V>(t.own_inverse, i, k)};
          const other_sides<V> shown{at<V>(t.shown, i, k), at<V>(t.shown, j, k), at<V>(t.shown_inverse, i, k)};
          const V slope = sums.add(compare, side, own, shown);
          store(t.slope[j] + k, at<V>(t.slope, j, k) - across * slope * own.inverse);
        }
        t.value[j][i] = share * horizontal_sum(sums.value);
        t.slope[j][i] += share * inverse * (horizontal_sum(sums.by_inverse) - inverse * horizontal_sum(sums.by_cosine));
      }
  }

 private:
  template <class V>
  LIMBECK_HD static V at(const pair_table& table, index i, index k) {
    return load<V>(static_cast<const double*>(table[i] + k));
  }
};

/// 1 / the root of every squared distance, 0 where that is 0.
inline void invert_distances(const pair_table& squares, const pair_table& to) {
  for (index i = 0; i < squares.count; ++i)
    for (index j = 0; j < squares.count; ++j) to[i][j] = squares[i][j] == 0 ? 0 : 1 / std::sqrt(squares[i][j]);
}

/// The angles of all triples compared; add(i, x): adds to the value of vector i. The cosine at i between the directions
/// to j and k is (d_ij^2 + d_ik^2 - d_jk^2) / (2 d_ij d_ik).
template <class A, class Add>
void compare_all_angles(int threads, const vector_batch<A>& batch, double delta, const Add& add) {
  const index n = batch.count;
  memory_pieces<double> memory(thread_scratch<pair_memory, double>(angle_tables::tables * pair_table::size(n)));
  const angle_tables tables(n, memory);
  square_distances(threads, batch.teacher, batch.teacher_width, tables.shown);
  const double* const wide = square_distances(threads, batch.student, batch.student_width, tables.own);
  invert_distances(tables.own, tables.own_inverse);
  invert_distances(tables.shown, tables.shown_inverse);
  parallel_for(threads, n, pair_work_worth_a_thread / (n * n) + 1, [&](index first, index last) {
    simd_dispatch<compare_angles>(tables, batch.factor, delta, first, last);
  });
  for (index i = 0; i < n; ++i) {
    double sum = 0;
    for (index j = 0; j < n; ++j) sum += tables.value[j][i];
    add(i, sum);
  }
  if (batch.gradient != nullptr)
    push_apart(threads, batch, wide, [&](index i, index j) { return 2 * (tables.slope[i][j] + tables.slope[j][i]); });
}

template <class Provider, class S, class U, class A, class G>
void relate_distances(cpu, const cpu_executor<Provider>& on, token_pooling by, const vector_layers<S, U, G, cpu>& of,
                      double delta, double count, const sink<A, cpu, G>& out) {
  with_vectors(by, of, count, out, [&](const vector_batch<A>& batch) {
    compare_distances(on.threads, batch, delta, to_samples(batch, out.value));
  });
}
template <class Provider, class S, class U, class A, class G>
void relate_angles(cpu, const cpu_executor<Provider>& on, token_pooling by, const vector_layers<S, U, G, cpu>& of,
                   double delta, double count, const sink<A, cpu, G>& out) {
  with_vectors(by, of, count, out, [&](const vector_batch<A>& batch) {
    compare_all_angles(on.threads, batch, delta, to_samples(batch, out.value));
  });
}

}  // namespace limbeck::detail
