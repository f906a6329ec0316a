// Two rows of logits as distributions on the host, class by class: two exponentials a class, and memory is read once,
// however long a row is. Knows neither a divergence nor how logits are stored, so that it is compiled once for all.
#pragma once

#include <algorithm>
#include <limits>

#include "limbeck/losses/logit_sweeps_cpu.hpp"
#include "limbeck/losses/softened_pair.hpp"

namespace limbeck::detail {

/// The vectors of a row whose exponentials are taken relative to the same tops: what they are read from stays in the
/// first cache while the tops are found.
inline constexpr index block_vectors = 64;

/// The vectors begin .. end of compared rows, of pair `number`, whatever their layout. What a divergence does not use
/// is not computed. Holds copies, so that what a loop stores cannot be where it must look again.
template <class V>
struct compared_block {
  static constexpr index slope_step = 3 * V::width;
  const typename V::scalar* kept;
  logit_vectors<V> student_logits, teacher_logits;
  softened_pair<V> pair;
  int number;
  index begin, end;

  /// Vector k.
  [[nodiscard]] LIMBECK_HD compared<V> operator[](index k) const {
    const typename V::scalar* at = kept + 3 * k * V::width;
    return pair.at(student_logits[k], teacher_logits[k], load<V>(at), load<V>(at + V::width),
                   pair.apart(load<V>(at + 2 * V::width)));
  }
  /// Vector k of the student's probabilities, and of the slope that was kept.
  [[nodiscard]] LIMBECK_HD V student(index k) const { return load<V>(kept + 3 * k * V::width) * pair.student_scale; }
  [[nodiscard]] LIMBECK_HD V slope(index k) const { return load<V>(kept + (3 * k + 2) * V::width); }
};

/// The two distributions of rows, class by class, once compare() has run. Each exponential is taken once and kept, as
/// is the difference of the logits, whose place a divergence's slope takes. A long row is a number of blocks, and
/// memory is read once only: the exponentials of a block are relative to what is the largest logit of their lane so
/// far, and scaled when they are used. Of rows side by side each group is a block with sums of its own, and a step is
/// done for all of them before the next: so a processor has other groups to work on while the results of one take their
/// time.
template <class Layout, class V>
class compared_rows {
  using A = typename V::scalar;

 public:
  using layout = Layout;
  static constexpr int most_pairs = Layout::one_row ? 1 : row_groups<V>::most;

  /// `room` holds kept_room() and behind it what the groups are staged in, twice. copied: classes will be ruled out.
  template <class Rows>
  LIMBECK_HD compared_rows(const Rows& rows, const row_groups<V>& groups, A temperature, A* room, bool copied = false)
      : exp_(A(1) / temperature),
        classes_(Layout::padded(rows.classes) / V::width),
        groups_(groups.count),
        room_(room),
        of_blocks_(room + 3 * groups_ * Layout::padded(rows.classes)),
        student_(rows.student, rows.classes, groups, room + kept_room(rows.classes, groups_), copied),
        teacher_(rows.teacher, rows.classes, groups,
                 room + kept_room(rows.classes, groups_) + groups_ * Layout::padded(rows.classes), copied) {
    for (int g = 0; g < pairs(); ++g) pair_[g].inverse_temperature = V(A(1) / temperature);
  }
  /// Before compare(), for both sides: class c of a lane of group g has no part in the distributions.
  LIMBECK_HD void rule_out(index classes, int g, int lane, index c) {
    student_.rule_out(classes, g, lane, c);
    teacher_.rule_out(classes, g, lane, c);
  }
  LIMBECK_HD void compare() {
    if constexpr (Layout::one_row)
      take_row();
    else
      take_groups();
  }

  /// What is kept: both exponentials and the difference, class by class, and of a long row two vectors a block and row.
  [[nodiscard]] LIMBECK_HD static constexpr index kept_room(index classes, index groups) {
    return 3 * groups * Layout::padded(classes) +
           (Layout::one_row ? 4 * V::width * blocks_of(Layout::padded(classes)) : 0);
  }

  /// Where slopes with respect to log_student are kept: that of vector k at k * slope_step, in the place of what vector
  /// k was made of.
  [[nodiscard]] LIMBECK_HD A* place_of_slopes() { return place(2, 0); }

  [[nodiscard]] LIMBECK_HD const softened_pair<V>& pair(int number) const { return pair_[number]; }
  /// The number of different pairs of sums: one of a long row, else one a group.
  [[nodiscard]] LIMBECK_HD int pairs() const { return Layout::one_row ? 1 : groups_; }
  [[nodiscard]] LIMBECK_HD index blocks() const {
    return Layout::one_row ? blocks_of(student_.count() * V::width) : groups_;
  }
  /// Whether a second look at the blocks had better begin at the end: that is what the caches hold of a long row.
  [[nodiscard]] LIMBECK_HD bool backwards() const { return kept_room(classes_ * V::width, 1) > 1 << 18; }
  [[nodiscard]] LIMBECK_HD compared_block<V> operator[](index b) const {
    const int number = Layout::one_row ? 0 : static_cast<int>(b);
    compared_block<V> here{room_,  student_.vectors(), teacher_.vectors(), pair_[number],
                           number, begin_of(b),        end_of(b)};
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
  [[nodiscard]] LIMBECK_HD index begin_of(index b) const { return b * (Layout::one_row ? block_vectors : classes_); }
  [[nodiscard]] LIMBECK_HD index end_of(index b) const { return std::min(begin_of(b + 1), student_.count()); }
  [[nodiscard]] LIMBECK_HD A* place(int what, index k) const { return room_ + (3 * k + what) * V::width; }
  [[nodiscard]] LIMBECK_HD V kept(int what, index k) const { return load<V>(static_cast<const A*>(place(what, k))); }
  // For the student (row 0) and the teacher: the top of each lane in block b, later the scale of what is relative to
  // it (0), and its sum of exponentials (1).
  [[nodiscard]] LIMBECK_HD A* place_of_block(int what, int row, index b) const {
    return of_blocks_ + (4 * b + 2 * row + what) * V::width;
  }
  [[nodiscard]] LIMBECK_HD V of_block(int what, int row, index b) const {
    return load<V>(static_cast<const A*>(place_of_block(what, row, b)));
  }

  // Of the logits' differences.
  struct range {
    V least{std::numeric_limits<A>::infinity()}, most{-std::numeric_limits<A>::infinity()};
  };

  // Of block b, relative to the tops; widens `apart`.
  LIMBECK_HD void take_exponentials(index b, const V& student_top, const V& teacher_top, V& student_sum, V& teacher_sum,
                                    range& apart) {
    const exp_of_multiple<V> exponential = exp_;  // copies, which no store can change
    const logit_vectors<V> student = student_.vectors(), teacher = teacher_.vectors();
    const V of_student = student_top, of_teacher = teacher_top;
    V sum_of_student(0), sum_of_teacher(0);
    range seen = apart;
    A* to = place(0, begin_of(b));
    for (index k = begin_of(b), end = end_of(b); k < end; ++k, to += 3 * V::width) {
      student_.prefetch(k);
      teacher_.prefetch(k);
      const V z = student[k], zt = teacher[k], difference = z - zt;
      const V s = exponential(z - of_student), t = exponential(zt - of_teacher);
      sum_of_student += s;
      sum_of_teacher += t;
      seen.least = min(seen.least, difference);
      seen.most = max(seen.most, difference);
      store(to, s);
      store(to + V::width, t);
      store(to + 2 * V::width, difference);
    }
    student_sum = sum_of_student;
    teacher_sum = sum_of_teacher;
    apart = seen;
  }

  LIMBECK_HD void take_groups() {
    const V least(std::numeric_limits<A>::lowest());
    V nearest(std::numeric_limits<A>::infinity());
    for (index b = 0; b < blocks(); ++b) {
      V student_top = least, teacher_top = least;
      for (index k = begin_of(b); k < end_of(b); ++k) {
        student_top = max(student_top, student_[k]);
        teacher_top = max(teacher_top, teacher_[k]);
      }
      pair_[b].student_top = student_top;
      pair_[b].teacher_top = teacher_top;
    }
    for (index b = 0; b < blocks(); ++b) {
      softened_pair<V>& pair = pair_[b];
      range apart;
      V student_sum, teacher_sum;
      take_exponentials(b, pair.student_top, pair.teacher_top, student_sum, teacher_sum, apart);
      pair.take_sums(student_sum, teacher_sum);
      pair.take_range(apart.least, apart.most);
      nearest = min(nearest, pair.farthest);
    }
    const bool some_agree = any(softened_pair<V>::is_near(nearest));
    V sum_moved[most_pairs];
    for (index b = 0; b < blocks(); ++b) sum_moved[b] = some_agree ? moved(b) : V(0);
    for (index b = 0; b < blocks(); ++b) pair_[b].take_drift(sum_moved[b]);
  }

  LIMBECK_HD void take_row() {
    V student_top(std::numeric_limits<A>::lowest()), teacher_top = student_top;  // of each lane, so far
    V student_sum(0), teacher_sum(0);
    range apart;
    for (index b = 0; b < blocks(); ++b) {
      student_top = student_.largest(begin_of(b), end_of(b), student_top);
      teacher_top = teacher_.largest(begin_of(b), end_of(b), teacher_top);
      take_exponentials(b, student_top, teacher_top, student_sum, teacher_sum, apart);
      store(place_of_block(0, 0, b), student_top);
      store(place_of_block(1, 0, b), student_sum);
      store(place_of_block(0, 1, b), teacher_top);
      store(place_of_block(1, 1, b), teacher_sum);
    }
    softened_pair<V>& pair = pair_[0];
    pair.student_top = Layout::largest(student_top);
    pair.teacher_top = Layout::largest(teacher_top);
    join_blocks(student_sum, teacher_sum);
    pair.take_sums(Layout::summed(student_sum), Layout::summed(teacher_sum));
    pair.take_range(-Layout::largest(-apart.least), Layout::largest(apart.most));
    V sum_moved(0);
    if (pair.nearly_agree()[0]) {
      for (index b = 0; b < blocks(); ++b) sum_moved += moved(b);
      sum_moved = Layout::summed(sum_moved);
    }
    pair.take_drift(sum_moved);
  }

  // From the tops of lanes and blocks to those of rows.
  LIMBECK_HD void join_blocks(V& student_sum, V& teacher_sum) const {
    for (int row = 0; row < 2; ++row) {
      const V top = row == 0 ? pair_[0].student_top : pair_[0].teacher_top;
      V sum(0);
      for (index b = 0; b < blocks(); ++b) {
        const V scale = exp_(of_block(0, row, b) - top);
        sum += of_block(1, row, b) * scale;
        store(place_of_block(0, row, b), scale);
      }
      (row == 0 ? student_sum : teacher_sum) = sum;
    }
  }

  // Block b's share of what rows that nearly agree keep their digits by.
  [[nodiscard]] LIMBECK_HD V moved(index b) const {
    const compared_block<V> here = (*this)[b];
    V sum(0);
    for (index k = here.begin; k < here.end; ++k)
      sum += here.pair.moved(kept(1, k) * here.pair.teacher_scale, here.pair.apart(kept(2, k)));
    return sum;
  }

  exp_of_multiple<V> exp_;
  index classes_;  // vectors that a row or a group takes
  int groups_;
  A *room_, *of_blocks_;
  staged_logits<Layout, V> student_, teacher_;
  softened_pair<V> pair_[most_pairs];
};

/// What is needed at most at one time, whatever the layout and the size of vectors: what is kept of classes and blocks,
/// and the staged rows.
template <class A>
[[nodiscard]] constexpr index compared_room(index classes) {
  constexpr index most = 64 / sizeof(A);
  return 5 * groups_at_once(classes) * room_for<A>(classes) + classes / (block_vectors / 4) + 5 * most;
}

/// rows.compare().
struct compare_rows {
  template <int Bytes, class Compared>
  LIMBECK_HD static void run(Compared& rows) {
    rows.compare();
  }
};

}  // namespace limbeck::detail
