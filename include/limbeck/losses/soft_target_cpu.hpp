// Divergences of softened class scores on the host: one SIMD kernel for all of them, two exponentials a class. Of
// memory logits are read once and gradients once, however long a row is.
#pragma once

#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/logit_sweeps_cpu.hpp"
#include "limbeck/losses/softened_pair.hpp"

namespace limbeck::detail {

/// The vectors of a row whose exponentials are taken relative to the same tops: what they are read from stays in the
/// first cache while the tops are found.
inline constexpr index block_vectors = 64;

/// The two distributions of a group of rows, class by class. Each exponential is taken once and kept, as is the
/// difference of the logits. Of a row of many blocks memory is read once only: the exponentials of a block are relative
/// to what is the largest logit of their lane so far, and scaled when they are used.
template <class Layout, class V>
class compared_rows {
  using A = typename V::scalar;

 public:
  /// `room` holds kept_room(classes) and behind it what two rows are staged in.
  template <class Rows>
  LIMBECK_HD compared_rows(const Rows& rows, const row_group<V>& group, A temperature, A* room)
      : exp_(A(1) / temperature),
        room_(room),
        of_blocks_(room + 3 * Layout::padded(rows.classes)),
        student_(rows.student, rows.classes, group, room + kept_room(rows.classes)),
        teacher_(rows.teacher, rows.classes, group, room + kept_room(rows.classes) + Layout::padded(rows.classes)) {
    pair_.inverse_temperature = V(A(1) / temperature);
    take_exponentials();
  }

  /// What is kept of two rows: both exponentials and the difference, class by class, and two vectors a block and row.
  [[nodiscard]] LIMBECK_HD static constexpr index kept_room(index classes) {
    return 3 * Layout::padded(classes) + (Layout::one_row ? 4 * V::width * blocks_of(Layout::padded(classes)) : 0);
  }

  /// The vectors begin .. end. What a divergence does not use is not computed.
  struct block {
    const compared_rows& of;
    softened_pair<V> pair;
    index begin, end;

    /// Vector k.
    [[nodiscard]] LIMBECK_HD compared<V> operator[](index k) const {
      const V d = pair.apart(of.kept(2, k));
      return pair.at(of.student_[k], of.teacher_[k], of.kept(0, k), of.kept(1, k), d);
    }
    /// Vector k of the student's probabilities.
    [[nodiscard]] LIMBECK_HD V student(index k) const { return of.kept(0, k) * pair.student_scale; }
  };
  [[nodiscard]] LIMBECK_HD index blocks() const { return Layout::one_row ? blocks_of(student_.count() * V::width) : 1; }
  /// Whether a second look at the blocks had better begin at the end: that is what the caches hold of a long row.
  [[nodiscard]] LIMBECK_HD bool backwards() const { return kept_room(student_.count() * V::width) > 1 << 18; }
  [[nodiscard]] LIMBECK_HD block operator[](index b) const {
    block here{*this, pair_, begin_of(b), end_of(b)};
    if constexpr (Layout::one_row) {
      here.pair.student_scale *= of_block(0, 0, b);
      here.pair.teacher_scale *= of_block(0, 1, b);
    }
    return here;
  }

 private:
  [[nodiscard]] LIMBECK_HD static constexpr index blocks_of(index padded) {
    return (padded / V::width + block_vectors - 1) / block_vectors;
  }
  [[nodiscard]] LIMBECK_HD static index begin_of(index b) { return b * block_vectors; }
  [[nodiscard]] LIMBECK_HD index end_of(index b) const {
    return Layout::one_row ? std::min((b + 1) * block_vectors, student_.count()) : student_.count();
  }
  [[nodiscard]] LIMBECK_HD V kept(int what, index k) const {
    return load<V>(static_cast<const A*>(room_ + (3 * k + what) * V::width));
  }
  // For the student (row 0) and the teacher: the top of each lane in block b, later the scale of what is relative to
  // it (0), and its sum of exponentials (1).
  [[nodiscard]] LIMBECK_HD A* place_of_block(int what, int row, index b) const {
    return of_blocks_ + (4 * b + 2 * row + what) * V::width;
  }
  [[nodiscard]] LIMBECK_HD V of_block(int what, int row, index b) const {
    return load<V>(static_cast<const A*>(place_of_block(what, row, b)));
  }

  LIMBECK_HD void take_exponentials() {
    V student_top(std::numeric_limits<A>::lowest()), teacher_top = student_top;  // of each lane, so far
    V student_sum(0), teacher_sum(0), most(-std::numeric_limits<A>::infinity()), least = -most;
    for (index b = 0; b < blocks(); ++b) {
      student_top = student_.largest(begin_of(b), end_of(b), student_top);
      teacher_top = teacher_.largest(begin_of(b), end_of(b), teacher_top);
      student_sum = teacher_sum = V(0);
      for (index k = begin_of(b); k < end_of(b); ++k) {
        student_.prefetch(k);
        teacher_.prefetch(k);
        const V z = student_[k], zt = teacher_[k], difference = z - zt;
        const V s = exp_(z - student_top), t = exp_(zt - teacher_top);
        student_sum += s;
        teacher_sum += t;
        least = min(least, difference);
        most = max(most, difference);
        A* to = room_ + 3 * k * V::width;
        store(to, s);
        store(to + V::width, t);
        store(to + 2 * V::width, difference);
      }
      if constexpr (Layout::one_row) {
        store(place_of_block(0, 0, b), student_top);
        store(place_of_block(1, 0, b), student_sum);
        store(place_of_block(0, 1, b), teacher_top);
        store(place_of_block(1, 1, b), teacher_sum);
      }
    }
    pair_.student_top = Layout::largest(student_top);
    pair_.teacher_top = Layout::largest(teacher_top);
    if constexpr (Layout::one_row) join_blocks(student_sum, teacher_sum);
    pair_.take_sums(Layout::summed(student_sum), Layout::summed(teacher_sum));
    const auto agree = pair_.nearly_agree(-Layout::largest(-least), Layout::largest(most));
    if (Layout::holds(agree)) pair_.drift = where(agree, small_drift(), pair_.drift);
  }

  // From the tops of lanes and blocks to those of rows.
  LIMBECK_HD void join_blocks(V& student_sum, V& teacher_sum) const {
    for (int row = 0; row < 2; ++row) {
      const V top = row == 0 ? pair_.student_top : pair_.teacher_top;
      V sum(0);
      for (index b = 0; b < blocks(); ++b) {
        const V scale = exp_(of_block(0, row, b) - top);
        sum += of_block(1, row, b) * scale;
        store(place_of_block(0, row, b), scale);
      }
      (row == 0 ? student_sum : teacher_sum) = sum;
    }
  }

  // log(sum p_t * exp(d)) for small d: what rows that nearly agree keep their digits by.
  [[nodiscard]] LIMBECK_HD V small_drift() const {
    V moved(0);
    for (index b = 0; b < blocks(); ++b) {
      const block here = (*this)[b];
      V part(0);
      for (index k = here.begin; k < here.end; ++k)
        part += pair_.moved(kept(1, k) * here.pair.teacher_scale, pair_.apart(kept(2, k)));
      moved += part;
    }
    return pair_.small_drift(Layout::summed(moved));
  }

  exp_of_multiple<V> exp_;
  A *room_, *of_blocks_;
  staged_logits<Layout, V> student_, teacher_;
  softened_pair<V> pair_;
};

struct soft_target_group {
  template <class Layout, class Rows, class V, class D, class A>
  LIMBECK_HD static void run(const Rows& rows, const row_group<V>& group, const D& divergence, const A& temperature,
                             A* const& room) {
    using pairs_of = compared_rows<Layout, V>;
    const pairs_of pairs(rows, group, temperature, room);
    const gradient_rows<Layout, V, typename Rows::gradient_type> gradient(
        rows, group, room + pairs_of::kept_room(rows.classes), room, pairs.backwards() ? -bytes_ahead : bytes_ahead);
    const V factor = group.template factors<Layout>() * V(A(1) / temperature);
    const bool wanted = !rows.gradients.empty();
    V value(0), slope_sum(0);
    if constexpr (requires { D::slope_sum; }) slope_sum = V(D::slope_sum);
    for (index i = 0; i < pairs.blocks(); ++i) {
      const auto here = pairs[pairs.backwards() ? pairs.blocks() - 1 - i : i];
      V value_part(0), slope_part(0);
      for (index k = here.begin; k < here.end; ++k) {
        const divergence_term<V> term = divergence(here[k]);
        value_part += term.value;
        slope_part += term.slope;
        if constexpr (requires { D::slope_sum; })
          if (wanted) gradient.add(k, factor * logit_slope<D>(term.slope, here.student(k), slope_sum));
      }
      value += value_part;
      if constexpr (!requires { D::slope_sum; }) slope_sum += slope_part;
    }
    if constexpr (!requires { D::slope_sum; }) {
      slope_sum = Layout::summed(slope_sum);
      for (index b = 0; wanted && b < pairs.blocks(); ++b) {
        const auto here = pairs[b];
        for (index k = here.begin; k < here.end; ++k)
          gradient.add(k, factor * logit_slope<D>(divergence(here[k]).slope, here.student(k), slope_sum));
      }
    }
    if (wanted) gradient.finish();
    add_values<Layout>(rows, group, Layout::summed(value));
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

/// What a row needs at most, whatever the layout and the size of vectors: what is kept of its classes and
/// blocks, and two staged rows.
template <class A>
[[nodiscard]] constexpr index soft_target_room(index classes) {
  constexpr index most = 64 / sizeof(A);
  return 5 * room_for<A>(classes) + classes / (block_vectors / 4) + 5 * most;
}

template <class D, class A, class S, class U, class G>
void soft_target_rows(cpu, const auto& on, const D& divergence, A temperature,
                      const logit_rows<S, U, A, cpu, G>& rows) {
  for_row_ranges(on, rows, [&](index begin, index end) {
    A* room = thread_scratch<soft_target_scratch, A>(soft_target_room<A>(rows.classes));
    simd_dispatch<soft_target_kernel>(divergence, temperature, rows, begin, end, room);
  });
}

}  // namespace limbeck::detail
