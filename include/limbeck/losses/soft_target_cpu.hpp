// Divergences of softened class scores on the host: one SIMD kernel for all of them, two exponentials a class.
#pragma once

#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/logit_sweeps_cpu.hpp"
#include "limbeck/losses/softened_pair.hpp"

namespace limbeck::detail {

/// The two distributions of a group of rows, class by class. The exponentials are taken once and kept in `room`, which
/// holds five times padded(classes).
template <class Layout, class V>
class compared_rows {
  using A = typename V::scalar;

 public:
  template <class Rows>
  LIMBECK_HD compared_rows(const Rows& rows, const row_group<V>& group, A temperature, A* room)
      : size_(Layout::padded(rows.classes)),
        room_(room),
        student_(rows.student, rows.classes, group, room + 3 * size_),
        teacher_(rows.teacher, rows.classes, group, room + 4 * size_) {
    pair_.inverse_temperature = V(A(1) / temperature);
    pair_.student_top = student_.top();
    pair_.teacher_top = teacher_.top();
    const auto agree = pair_.nearly_agree(Layout::largest(take_exponentials()));
    if (Layout::holds(agree)) pair_.drift = where(agree, small_drift(), pair_.drift);
  }

  /// The number of vectors.
  [[nodiscard]] LIMBECK_HD index count() const { return student_.count(); }
  /// Vector k. What a divergence does not use is not computed.
  [[nodiscard]] LIMBECK_HD compared<V> operator[](index k) const {
    return pair_.at(student_[k], teacher_[k], kept(0, k), kept(1, k), kept(2, k));
  }
  /// Vector k of the student's probabilities.
  [[nodiscard]] LIMBECK_HD V student(index k) const { return kept(0, k) * pair_.student_scale; }

 private:
  [[nodiscard]] LIMBECK_HD V kept(int what, index k) const {
    return load<V>(static_cast<const A*>(room_ + what * size_ + k * V::width));
  }

  // Returns the largest |d| of each lane, d being the difference of the softened logits less that of their tops.
  LIMBECK_HD V take_exponentials() {
    long_sum<V> student_sum, teacher_sum;
    V widest(0);
    for (index k = 0; k < count(); ++k) {
      const V z = student_[k], zt = teacher_[k];
      const V s = exp_below_one(pair_.student_exponent(z));
      const V t = exp_below_one(pair_.teacher_exponent(zt));
      const V d = pair_.apart(z - zt);
      student_sum.add(s);
      teacher_sum.add(t);
      widest = max(widest, abs(d));
      A* to = room_ + k * V::width;
      store(to, s);
      store(to + size_, t);
      store(to + 2 * size_, d);
    }
    pair_.take_sums(Layout::summed(student_sum.total()), Layout::summed(teacher_sum.total()));
    return widest;
  }

  // log(sum p_t * exp(d)) for small d: what rows that nearly agree keep their digits by.
  [[nodiscard]] LIMBECK_HD V small_drift() const {
    long_sum<V> moved;
    for (index k = 0; k < count(); ++k) moved.add(pair_.moved(kept(1, k), kept(2, k)));
    return pair_.small_drift(Layout::summed(moved.total()));
  }

  index size_;
  A* room_;
  staged_logits<Layout, V> student_, teacher_;
  softened_pair<V> pair_;
};

struct soft_target_group {
  template <class Layout, class Rows, class V, class D, class A>
  LIMBECK_HD static void run(const Rows& rows, const row_group<V>& group, const D& divergence, const A& temperature,
                             A* const& room) {
    const compared_rows<Layout, V> pairs(rows, group, temperature, room);
    const gradient_rows<Layout, V, typename Rows::gradient_type> gradient(rows.gradients, rows.classes, group,
                                                                          room + 3 * Layout::padded(rows.classes));
    const V factor = group.template factors<Layout>() / V(temperature);
    const bool wanted = !rows.gradients.empty();
    long_sum<V> value, slope;
    if constexpr (requires { D::slope_sum; }) {
      const V slope_sum(D::slope_sum);
      for (index k = 0; k < pairs.count(); ++k) {
        const divergence_term<V> term = divergence(pairs[k]);
        value.add(term.value);
        if (wanted) gradient.add(k, factor * logit_slope<D>(term.slope, pairs.student(k), slope_sum));
      }
    } else {
      for (index k = 0; k < pairs.count(); ++k) {
        const divergence_term<V> term = divergence(pairs[k]);
        value.add(term.value);
        slope.add(term.slope);
      }
      const V slope_sum = Layout::summed(slope.total());
      for (index k = 0; wanted && k < pairs.count(); ++k)
        gradient.add(k, factor * logit_slope<D>(divergence(pairs[k]).slope, pairs.student(k), slope_sum));
    }
    if (wanted) gradient.finish();
    add_values(rows, group, Layout::summed(value.total()));
  }
};

struct soft_target_kernel {
  template <int Bytes, class D, class A, class Rows>
  LIMBECK_HD static void run(const D& divergence, A temperature, const Rows& rows, index begin, index end, A* room) {
    for_row_groups<soft_target_group, simd_of_bytes<A, Bytes>>(rows, begin, end, every_row{}, divergence, temperature,
                                                               room);
  }
};

struct soft_target_scratch {};

template <class D, class A, class S, class U, class G>
void soft_target_rows(cpu, const auto& on, const D& divergence, A temperature,
                      const logit_rows<S, U, A, cpu, G>& rows) {
  for_row_ranges(on, rows, [&](index begin, index end) {
    A* room = thread_scratch<soft_target_scratch, A>(5 * room_for<A>(rows.classes));
    simd_dispatch<soft_target_kernel>(divergence, temperature, rows, begin, end, room);
  });
}

}  // namespace limbeck::detail
