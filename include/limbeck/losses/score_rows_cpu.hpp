// Attention scores of both models, a row a query, as distributions over the keys that it sees, on the host: what losses
// on attention maps and on relations share. The rows lie in working memory, in the type of the sums.
#pragma once

#include <limits>

#include "limbeck/backend/simd.hpp"
#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/softened_pair.hpp"
#include "limbeck/ops/softmax_cpu.hpp"

namespace limbeck {

/// What is measured of the teacher's and the student's distribution. The cross-entropy is the divergence plus the
/// teacher's entropy, with the same gradient.
enum class row_divergence { kl, cross_entropy };

namespace detail {

/// Enough numbers for whole vectors of any level.
[[nodiscard]] constexpr index whole_vectors(index count) { return (count + 15) / 16 * 16; }

/// Rows `first` .. `first + count` of a sample, of whole vectors of any level; what stands behind the keys that a row
/// sees may be anything.
template <class A>
struct score_rows {
  A *student, *teacher;  ///< [count, keys]
  A* room;               ///< [2, keys]
  index keys;
  sample_rows of;
  index first, count;
  bool causal;

  [[nodiscard]] LIMBECK_HD index visible(index row) const { return visible_keys(of, first + row, causal); }
  /// The sample's keys as whole vectors.
  template <class V>
  [[nodiscard]] LIMBECK_HD index columns() const {
    return (of.keys + V::width - 1) / V::width * V::width;
  }
};

/// sum += the sum over rows of the divergence of the softmaxes. The student's scores become `factor` times their
/// gradient, 0 behind the keys that a row sees. The divergence is one whose slopes sum to 0.
struct softened_rows_kernel {
  template <int Bytes, class D, class A>
  LIMBECK_HD static void run(const D& divergence, const score_rows<A>& rows, const A factor, A& sum) {
    static_assert(D::slope_sum == 0);
    using V = simd_of_bytes<A, Bytes>;
    for (index r = 0; r < rows.count; ++r) {
      A *const s = rows.student + r * rows.keys, *const t = rows.teacher + r * rows.keys;
      const softened_pair<V> pair = compare<V>(rows, s, t, rows.visible(r));
      V value(A(0));
      for (index c = 0; c < rows.template columns<V>(); c += V::width) {
        const divergence_term<V> term = divergence(at<V>(rows, pair, s, t, c));
        value += term.value;
        store(s + c, V(factor) * term.slope);
      }
      sum += horizontal_sum(value);
    }
  }

 private:
  /// Takes the exponentials of a row, and rules out what it does not see.
  template <class V, class A>
  LIMBECK_HD static softened_pair<V> compare(const score_rows<A>& rows, A* s, A* t, index visible) {
    constexpr A infinity = std::numeric_limits<A>::infinity();
    softened_pair<V> pair;
    pair.inverse_temperature = V(A(1));
    pair.student_top = V(ops::detail::largest_of<V>(s, visible));
    pair.teacher_top = V(ops::detail::largest_of<V>(t, visible));
    V student_sum(A(0)), teacher_sum(A(0)), least(infinity), most(-infinity);
    const index columns = rows.template columns<V>();
    for (index c = 0; c < columns; c += V::width) {
      const auto seen = first_lanes<V>(visible - c);
      const V z = where(seen, load<V>(static_cast<const A*>(s + c)), V(-infinity)),
              zt = where(seen, load<V>(static_cast<const A*>(t + c)), V(-infinity)), difference = z - zt;
      const V student = exp_below_one(pair.student_exponent(z)), teacher = exp_below_one(pair.teacher_exponent(zt));
      student_sum += student;
      teacher_sum += teacher;
      least = min(least, difference);  // a NaN, of what neither sees, is passed over
      most = max(most, difference);
      store(s + c, z);
      store(t + c, zt);
      store(rows.room + c, student);
      store(rows.room + rows.keys + c, teacher);
    }
    pair.take_sums(V(horizontal_sum(student_sum)), V(horizontal_sum(teacher_sum)));
    pair.take_range(V(-horizontal_max(-least)), V(horizontal_max(most)));
    pair.take_drift(pair.nearly_agree()[0] ? moved<V>(rows, pair, s, t) : V(A(0)));
    return pair;
  }
  template <class V, class A>
  LIMBECK_HD static V apart(const softened_pair<V>& pair, const A* s, const A* t, index c) {
    return pair.apart(load<V>(s + c) - load<V>(t + c));
  }
  template <class V, class A>
  LIMBECK_HD static V moved(const score_rows<A>& rows, const softened_pair<V>& pair, const A* s, const A* t) {
    V sum(A(0));
    for (index c = 0; c < rows.template columns<V>(); c += V::width)
      sum += pair.moved(load<V>(static_cast<const A*>(rows.room + rows.keys + c)) * pair.teacher_scale,
                        apart(pair, s, t, c));
    return V(horizontal_sum(sum));
  }
  template <class V, class A>
  LIMBECK_HD static compared<V> at(const score_rows<A>& rows, const softened_pair<V>& pair, const A* s, const A* t,
                                   index c) {
    const A* const room = rows.room + c;
    return pair.at(load<V>(s + c), load<V>(t + c), load<V>(room), load<V>(room + rows.keys), apart(pair, s, t, c));
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
    const V zero(A(0)), smallest(std::numeric_limits<A>::min());
    for (index r = 0; r < rows.count; ++r) {
      V value = zero;
      for (index c = 0; c < rows.template columns<V>(); c += V::width) {
        A* const s = rows.student + r * rows.keys + c;
        const A* const t = rows.teacher + r * rows.keys + c;
        const auto seen = first_lanes<V>(rows.visible(r) - c);
        const V student = where(seen, load<V>(static_cast<const A*>(s)), V(A(1))),
                teacher = where(seen, load<V>(t), zero);
        const V of_one = measure == row_divergence::kl ? teacher / student : V(A(1)) / student;
        value += where(teacher == zero, zero, teacher * log(of_one));
        store(s, -(V(factor) * (teacher / max(student, smallest))));
      }
      sum += horizontal_sum(value);
    }
  }
};

/// to(r, 0 .. ends(r)) += factor * from(r, 0 .. ends(r)).
struct add_rows_kernel {
  template <int Bytes, class S, class T, class A, class Ends>
  LIMBECK_HD static void run(const S* from, index from_row, T* to, index to_row, index rows, const A factor,
                             const Ends& ends) {
    using V = simd_of_bytes<A, Bytes>;
    for (index r = 0; r < rows; ++r) {
      const S* const x = from + r * from_row;
      T* const y = to + r * to_row;
      const index end = ends(r);
      index c = 0;
      for (; c + V::width <= end; c += V::width)
        store(y + c, multiply_add(V(factor), load<V>(x + c), load<V>(static_cast<const T*>(y + c))));
      if (c < end)
        store_part(y + c, end - c,
                   multiply_add(V(factor), load_part<V>(x + c, end - c, A(0)),
                                load_part<V>(static_cast<const T*>(y + c), end - c, A(0))));
    }
  }
};
/// All rows end alike.
struct same_end {
  index end;
  [[nodiscard]] LIMBECK_HD index operator()(index) const { return end; }
};
/// A row ends behind the last key that it sees.
template <class A>
struct visible_end {
  const score_rows<A>& rows;
  [[nodiscard]] LIMBECK_HD index operator()(index row) const { return rows.visible(row); }
};

}  // namespace detail
}  // namespace limbeck
