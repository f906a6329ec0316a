// Attention scores of both models, a row a query, as distributions over the keys that it sees, on the host: what losses
// on attention maps and on relations share. The rows lie side by side in working memory, in the type of the sums, so
// that a vector holds one key of as many rows as it has lanes, and nothing is summed across lanes.
#pragma once

#include <limits>

#include "limbeck/backend/simd.hpp"
#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/row_divergence.hpp"
#include "limbeck/losses/softened_pair.hpp"

namespace limbeck::detail {

/// Rows `first` .. `first + count` of a sample. What stands where a row does not see a key may be anything; in the
/// columns behind `count`, up to the end of a vector, there are numbers.
template <class A>
struct score_rows {
  A *student, *teacher;  ///< [keys, step]: a column a row
  A* room;               ///< [2, keys, 16]
  index step;
  sample_rows of;
  index first, count;
  bool causal;

  /// x in the lanes, of rows r and on, that see key k, and `other` in those that do not.
  template <class V>
  [[nodiscard]] LIMBECK_HD V seen(const V& x, index k, index r, A other) const {
    if (!causal || k <= first + r) return x;
    return where(lane_numbers<V>() < V(static_cast<A>(k - first - r)), V(other), x);
  }
};

/// sum += the sum over rows of the divergence of the softmaxes. The student's scores become `factor` times their
/// gradient, 0 for keys that a row does not see. The divergence is one whose slopes sum to 0.
struct softened_rows_kernel {
  template <int Bytes, class D, class A>
  LIMBECK_HD static void run(const D& divergence, const score_rows<A>& rows, const A factor, A& sum) {
    static_assert(D::slope_sum == 0);
    using V = simd_of_bytes<A, Bytes>;
    for (index r = 0; r < rows.count; r += V::width) {
      const softened_pair<V> pair = compare<V>(rows, r);
      V value(A(0));
      for (index k = 0; k < rows.of.keys; ++k) {
        A* const s = rows.student + k * rows.step + r;
        const V z = load<V>(static_cast<const A*>(s)), zt = load<V>(teacher(rows, k, r));
        const divergence_term<V> term =
            divergence(pair.at(z, zt, exponential<V>(rows, 0, k), exponential<V>(rows, 1, k), pair.apart(z - zt)));
        value += term.value;
        store(s, V(factor) * term.slope);
      }
      sum += horizontal_sum(where(first_lanes<V>(rows.count - r), value, V(A(0))));
    }
  }

 private:
  template <class A>
  LIMBECK_HD static const A* teacher(const score_rows<A>& rows, index k, index r) {
    return rows.teacher + k * rows.step + r;
  }
  // Of key k; of the student (0), of the teacher (1).
  template <class V, class A>
  LIMBECK_HD static A* place(const score_rows<A>& rows, int which, index k) {
    return rows.room + (which * rows.of.keys + k) * V::width;
  }
  template <class V, class A>
  LIMBECK_HD static V exponential(const score_rows<A>& rows, int which, index k) {
    return load<V>(static_cast<const A*>(place<V>(rows, which, k)));
  }

  /// Takes the exponentials of rows r and on, and rules out what they do not see.
  template <class V, class A>
  LIMBECK_HD static softened_pair<V> compare(const score_rows<A>& rows, index r) {
    constexpr A infinity = std::numeric_limits<A>::infinity();
    softened_pair<V> pair;
    pair.inverse_temperature = V(A(1));
    pair.student_top = pair.teacher_top = V(std::numeric_limits<A>::lowest());
    for (index k = 0; k < rows.of.keys; ++k) {
      A *const s = rows.student + k * rows.step + r, *const t = rows.teacher + k * rows.step + r;
      const V z = rows.seen(load<V>(static_cast<const A*>(s)), k, r, -infinity),
              zt = rows.seen(load<V>(static_cast<const A*>(t)), k, r, -infinity);
      pair.student_top = max(pair.student_top, z);  // NaN gets lost here, it comes back with the exponentials
      pair.teacher_top = max(pair.teacher_top, zt);
      if (!rows.causal) continue;
      store(s, z);
      store(t, zt);
    }
    take_exponentials<V>(rows, r, pair);
    V sum_moved(A(0));
    if (any(pair.nearly_agree()))
      for (index k = 0; k < rows.of.keys; ++k)
        sum_moved += pair.moved(exponential<V>(rows, 1, k) * pair.teacher_scale, apart(rows, pair, k, r));
    pair.take_drift(sum_moved);
    return pair;
  }
  template <class V, class A>
  LIMBECK_HD static void take_exponentials(const score_rows<A>& rows, index r, softened_pair<V>& pair) {
    constexpr A infinity = std::numeric_limits<A>::infinity();
    V student_sum(A(0)), teacher_sum(A(0)), least(infinity), most(-infinity);
    for (index k = 0; k < rows.of.keys; ++k) {
      const V z = load<V>(static_cast<const A*>(rows.student + k * rows.step + r)), zt = load<V>(teacher(rows, k, r)),
              difference = z - zt;
      const V s = exp_below_one(pair.student_exponent(z)), t = exp_below_one(pair.teacher_exponent(zt));
      student_sum += s;
      teacher_sum += t;
      least = min(least, difference);  // a NaN, of what neither sees, is passed over
      most = max(most, difference);
      store(place<V>(rows, 0, k), s);
      store(place<V>(rows, 1, k), t);
    }
    pair.take_sums(student_sum, teacher_sum);
    pair.take_range(least, most);
  }
  template <class V, class A>
  LIMBECK_HD static V apart(const score_rows<A>& rows, const softened_pair<V>& pair, index k, index r) {
    return pair.apart(load<V>(static_cast<const A*>(rows.student + k * rows.step + r)) - load<V>(teacher(rows, k, r)));
  }
};
template <class A>
void softened_rows(row_divergence measure, const score_rows<A>& rows, A factor, A& sum) {
  if (measure == row_divergence::kl)
    simd_dispatch<softened_rows_kernel>(forward_kl{}, rows, factor, sum);
  else
    simd_dispatch<softened_rows_kernel>(soft_label_cross_entropy{}, rows, factor, sum);
}

/// The same for rows that are probabilities already; the gradient is that with respect to the student's probabilities.
/// Infinite where the student rules out what the teacher does not; the gradient stays finite.
struct probability_rows_kernel {
  template <int Bytes, class A>
  LIMBECK_HD static void run(row_divergence measure, const score_rows<A>& rows, const A factor, A& sum) {
    using V = simd_of_bytes<A, Bytes>;
    const V smallest(std::numeric_limits<A>::min());
    for (index r = 0; r < rows.count; r += V::width) {
      V value(A(0));
      for (index k = 0; k < rows.of.keys; ++k) {
        A* const s = rows.student + k * rows.step + r;
        const V student = rows.seen(load<V>(static_cast<const A*>(s)), k, r, A(1)),
                teacher = rows.seen(load<V>(static_cast<const A*>(rows.teacher + k * rows.step + r)), k, r, A(0));
        const divergence_term<V> term = probability_term(measure, student, teacher, smallest);
        value += term.value;
        store(s, -(V(factor) * term.slope));
      }
      sum += horizontal_sum(where(first_lanes<V>(rows.count - r), value, V(A(0))));
    }
  }
};

}  // namespace limbeck::detail
