// Soft targets on a device, of which a teacher kept some classes: a team for each row.
//
// The student's row is read as often as that of whole soft targets: once where it fits on chip. What lies on a device
// cannot be looked at without waiting for it: a row whose kept classes do not rise, or are none of the student's, gets
// NaN for a value, and no gradient.
#pragma once

#include <cmath>

#include "limbeck/losses/kept_rows.hpp"
#include "limbeck/losses/soft_target_cuda.hpp"

namespace limbeck::detail {

/// The kept classes of one row.
template <class A, class U>
class device_kept {
 public:
  __device__ device_kept(const kept_rows<U, cuda>& rows, index row) : rows_(rows), row_(row) {}

  [[nodiscard]] __device__ index count() const { return rows_.classes.extent(1); }
  [[nodiscard]] __device__ index operator[](index place) const { return rows_.classes(row_, place); }
  [[nodiscard]] __device__ A logit(index place) const { return static_cast<A>(rows_.logits(row_, place)); }
  [[nodiscard]] __device__ A log_rest() const { return static_cast<A>(rows_.log_rest(row_)); }

  /// Whether they rise, and are classes. To be called by the whole team.
  template <class Team>
  [[nodiscard]] __device__ bool rise(Team team, index classes) const {
    int wrong = 0;
    for (index j = team.lane(); j < count(); j += team.size()) {
      const index here = (*this)[j];
      if (here >= classes || here <= (j == 0 ? index{-1} : (*this)[j - 1])) wrong = 1;
    }
    return team.joined(wrong, summed_up{}) == 0;
  }
  /// Calls f(i, place) for the classes first .. first + here, `place` being where each is kept, or -1.
  template <class F>
  __device__ void for_four(index first, index here, const F& f) const {
    const view<const std::int32_t, 2, cuda>& all = rows_.classes;
    const view<const std::int32_t, 1, cuda> classes(&all(row_, 0), {{count()}}, {{all.stride(1)}});
    index place = first_not_below(classes, first);
    for (int i = 0; i < 4; ++i)
      if (i < here) {
        const bool kept = place < count() && classes(place) == first + i;
        f(i, kept ? place : index{-1});
        place += kept;
      }
  }

 private:
  const kept_rows<U, cuda>& rows_;
  index row_;
};

/// A row of numbers that are made when they are read; at(first, here) makes four.
template <class A, class At>
struct made_row {
  At at;

  [[nodiscard]] __device__ four<A> first_four(index first, index here) const { return at(first, here); }
  [[nodiscard]] __device__ four<A> four_at(index first, index here) const { return at(first, here); }
};
template <class A, class At>
[[nodiscard]] __device__ made_row<A, At> make_row(const At& at) {
  return {at};
}
/// The same of one(i), number by number.
template <class A, class One>
[[nodiscard]] __device__ auto make_row_of(const One& one) {
  return make_row<A>([one](index first, index here) {
    four<A> z{};
    for (int i = 0; i < 4; ++i)
      if (i < here) z.at[i] = one(first + i);
    return z;
  });
}
template <class Team, class A, class StudentRow, class TeacherRow>
[[nodiscard]] __device__ device_pair<Team, A, StudentRow, TeacherRow> pair_of_rows(const StudentRow& student,
                                                                                   const TeacherRow& teacher,
                                                                                   index classes, A temperature) {
  return {student, teacher, classes, temperature};
}

/// A row's divergence, and its gradient.
template <class D, class A, class U>
struct top_k_row {
  D divergence;
  A temperature;
  top_k_mode mode;
  kept_rows<U, cuda> teacher;

  [[nodiscard]] __device__ bool counts(index) const { return true; }

  template <class Team, class S, class V, class G>
  __device__ A operator()(Team team, const logit_rows<S, V, A, cuda, G>& rows, index row, A factor,
                          unsigned char* room) const {
    const device_kept<A, U> kept(teacher, row);
    if (!kept.rise(team, rows.classes)) {
      clear_fresh(team, rows, row, 0);
      return static_cast<A>(NAN);
    }
    const A scale = factor / temperature;
    if (mode == top_k_mode::renormalised_both)
      return of_kept(team, rows, row, scale, device_row<A, S>(rows.student, row, nullptr), kept);
    const device_row<A, S> student(rows.student, row, reinterpret_cast<S*>(room));
    if (mode == top_k_mode::tail_bucket) return with_rest(team, rows, row, scale, student, kept);
    const auto shown = make_row<A>([&](index first, index here) {  // what it did not keep it rules out
      four<A> z{};
      kept.for_four(first, here,
                    [&](int i, index place) { z.at[i] = place < 0 ? static_cast<A>(-INFINITY) : kept.logit(place); });
      return z;
    });
    return divergence_on_device(team, divergence, pair_of_rows<Team>(student, shown, rows.classes, temperature), rows,
                                row, scale);
  }

 private:
  /// Of a short pair: the divergence, and the sum of its slopes.
  template <class Team, class Pair>
  __device__ divergence_term<A> sums_of(Team team, const Pair& pair) const {
    divergence_term<A> mine{0, 0};
    pair.for_fours_of_both([&](index, index here, const four<A>& z, const four<A>& zt) {
      for (int i = 0; i < 4; ++i)
        if (i < here) mine += divergence(pair.at(z.at[i], zt.at[i]));
    });
    mine = team.joined(mine, summed_up{});
    if constexpr (requires { D::slope_sum; }) mine.slope = static_cast<A>(D::slope_sum);
    return mine;
  }
  template <class Pair>
  __device__ A slope_of(const Pair& pair, A z, A zt, A slope_sum) const {
    const compared<A> at = pair.at(z, zt);
    return logit_slope(divergence(at).slope, at.student, slope_sum);
  }

  /// The other classes are left out on both sides.
  template <class Team, class Rows, class Row>
  __device__ A of_kept(Team team, const Rows& rows, index row, A scale, const Row& student,
                       const device_kept<A, U>& kept) const {
    const auto pair =
        pair_of_rows<Team>(make_row_of<A>([&](index j) { return student[kept[j]]; }),
                           make_row_of<A>([&](index j) { return kept.logit(j); }), kept.count(), temperature);
    const divergence_term<A> all = sums_of(team, pair);
    if (rows.gradients.empty()) return all.value;
    clear_fresh(team, rows, row, 0);
    team.sync();  // others have cleared what this one writes
    for (index j = team.lane(); j < kept.count(); j += team.size()) {
      auto& place = rows.gradients(row, kept[j]);
      place = static_cast<typename Rows::gradient_type>(
          static_cast<A>(place) + scale * slope_of(pair, student[kept[j]], kept.logit(j), all.slope));
    }
    return all.value;
  }

  /// The other classes are one more.
  template <class Team, class Rows, class Row>
  __device__ A with_rest(Team team, const Rows& rows, index row, A scale, const Row& student,
                         const device_kept<A, U>& kept) const {
    const A inverse_temperature = A(1) / temperature;
    running_softmax<A> rest = running_softmax<A>::none();
    for_class_fours(team, rows.classes, [&](index first, index here) {
      const four<A> z = student.first_four(first, here);
      kept.for_four(first, here, [&](int i, index place) {
        if (place < 0) rest.add(z.at[i], inverse_temperature);
      });
    });
    rest = team.joined(rest, [&](const running_softmax<A>& a, const running_softmax<A>& b) {
      return running_softmax<A>::joined(a, b, inverse_temperature);
    });
    team.sync();  // the kept classes' logits were put on chip by others
    const A seen = rest.top + temperature * log(rest.sum), shown = temperature * kept.log_rest();
    const auto pair =
        pair_of_rows<Team>(make_row_of<A>([&](index j) { return j < kept.count() ? student[kept[j]] : seen; }),
                           make_row_of<A>([&](index j) { return j < kept.count() ? kept.logit(j) : shown; }),
                           kept.count() + 1, temperature);
    const divergence_term<A> all = sums_of(team, pair);
    if (rows.gradients.empty()) return all.value;
    const A of_rest = rest.sum == A(0) ? A(0) : scale * slope_of(pair, seen, shown, all.slope) / rest.sum;
    for_class_fours(team, rows.classes, [&](index first, index here) {
      const four<A> z = student.four_at(first, here);
      four<A> slopes{};
      kept.for_four(first, here, [&](int i, index place) {
        if (place >= 0)
          slopes.at[i] = scale * slope_of(pair, z.at[i], kept.logit(place), all.slope);
        else if (of_rest != A(0))
          slopes.at[i] = of_rest * exp((z.at[i] - rest.top) * inverse_temperature);
      });
      add_to_gradient(rows, row, first, here, slopes);
    });
    return all.value;
  }
};

template <class D, class S, class U, class A, class G>
void top_k_rows(cuda, const cuda_executor& on, const D& divergence, A temperature, top_k_mode mode,
                const kept_rows<U, cuda>& teacher, const logit_rows<S, U, A, cuda, G>& rows) {
  launch_rows(on, "top_k_soft_target", top_k_row<D, A, U>{divergence, temperature, mode, teacher}, rows,
              [mode](index classes) { return mode == top_k_mode::renormalised_both ? 0 : room_of_row<S>(classes); });
}

}  // namespace limbeck::detail
