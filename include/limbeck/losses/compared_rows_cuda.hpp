// Two rows of logits as distributions on a device: what losses that compare them class by class are made of.
#pragma once

#include <cmath>

#include "limbeck/losses/compared.hpp"
#include "limbeck/losses/logit_rows_cuda.hpp"
#include "limbeck/losses/softened_pair.hpp"

namespace limbeck::detail {

/// Two sums that a team takes at once.
template <class A>
struct two_sums {
  A first = 0, second = 0;

  __device__ two_sums& operator+=(const two_sums& other) {
    first += other.first;
    second += other.second;
    return *this;
  }
};

/// Shared memory for both.
template <class S, class U>
[[nodiscard]] std::size_t room_of_pair(index classes) {
  return room_of_row<S>(classes) + room_of_row<U>(classes);
}

template <class S, class U>
struct pair_bytes {
  [[nodiscard]] std::size_t operator()(index classes) const { return room_of_pair<S, U>(classes); }
};

/// What a first look at two rows gives.
template <class A>
struct first_look {
  running_softmax<A> student, teacher;
  A least, most;  // z - z_t, of the classes that not both rule out

  [[nodiscard]] LIMBECK_HD static first_look none() {
    return {running_softmax<A>::none(), running_softmax<A>::none(), static_cast<A>(INFINITY),
            static_cast<A>(-INFINITY)};
  }
  LIMBECK_HD void add(A z, A zt, A inverse_temperature) {
    student.add(z, inverse_temperature);
    teacher.add(zt, inverse_temperature);
    least = min(least, z - zt);
    most = max(most, z - zt);
  }
  [[nodiscard]] LIMBECK_HD static first_look joined(const first_look& a, const first_look& b, A inverse_temperature) {
    return {running_softmax<A>::joined(a.student, b.student, inverse_temperature),
            running_softmax<A>::joined(a.teacher, b.teacher, inverse_temperature), min(a.least, b.least),
            max(a.most, b.most)};
  }
};

/// Two rows, such as device_row, as distributions, class by class, looked at by a team.
template <class Team, class A, class StudentRow, class TeacherRow>
class device_pair {
 public:
  /// Without one of the classes where `without` names one. To be called by the whole team, as are the sums below.
  __device__ device_pair(const StudentRow& student, const TeacherRow& teacher, index classes, A temperature,
                         index without = -1)
      : student_(student), teacher_(teacher), classes_(classes), without_(without) {
    const Team team;
    const A inverse_temperature = A(1) / temperature;
    first_look<A> seen = first_look<A>::none();
    for_class_fours(team, classes_, [&](index first, index here) {
      const four<A> z = student_.first_four(first, here), zt = teacher_.first_four(first, here);
      for (int i = 0; i < 4; ++i)
        if (i < here && first + i != without_) seen.add(z.at[i], zt.at[i], inverse_temperature);
    });
    seen = team.joined(seen, [&](const first_look<A>& a, const first_look<A>& b) {
      return first_look<A>::joined(a, b, inverse_temperature);
    });
    pair_.inverse_temperature = inverse_temperature;
    pair_.student_top = seen.student.top;
    pair_.teacher_top = seen.teacher.top;
    pair_.take_sums(seen.student.sum, seen.teacher.sum);
    pair_.take_range(seen.least, seen.most);
    pair_.take_drift(pair_.nearly_agree() ? sum_moved() : A(0));
  }
  [[nodiscard]] __device__ const softened_pair<A>& pair() const { return pair_; }
  [[nodiscard]] __device__ A student_logit(index c) const { return student_[c]; }
  [[nodiscard]] __device__ A teacher_logit(index c) const { return teacher_[c]; }
  /// The student's probability of a class of this logit.
  [[nodiscard]] __device__ A student(A z) const { return exp(pair_.student_exponent(z)) * pair_.student_scale; }

  /// Calls f(first, here, four students' logits, four teachers') for this thread's classes.
  template <class F>
  __device__ void for_fours_of_both(const F& f) const {
    for_class_fours(Team{}, classes_, [&](index first, index here) {
      f(first, here, student_.four_at(first, here), teacher_.four_at(first, here));
    });
  }
  /// A class by its logits.
  [[nodiscard]] __device__ compared<A> at(A z, A zt) const { return pair_.at(z, zt); }

 private:
  __device__ A sum_moved() const {
    A mine = 0;
    for_fours_of_both([&](index first, index here, const four<A>& z, const four<A>& zt) {
      for (int i = 0; i < 4; ++i)
        if (i < here && first + i != without_)
          mine +=
              pair_.moved(exp(pair_.teacher_exponent(zt.at[i])) * pair_.teacher_scale, pair_.apart(z.at[i] - zt.at[i]));
    });
    return Team::joined(mine, summed_up{});
  }

  StudentRow student_;
  TeacherRow teacher_;
  index classes_, without_;
  softened_pair<A> pair_;
};

/// A row of logits in both models. `room`: room_of_pair() bytes of what the team's block keeps, or null.
template <class Team, class S, class U, class A, class G>
[[nodiscard]] __device__ device_pair<Team, A, device_row<A, S, Team>, device_row<A, U, Team>> pair_of_logits(
    const logit_rows<S, U, A, cuda, G>& rows, index row, A temperature, unsigned char* room, index without = -1) {
  U* const behind =
      reinterpret_cast<U*>(room == nullptr ? nullptr : room + room_of_row<S>(classes_on_chip<Team>(rows.classes)));
  return {
      {rows.student, row, reinterpret_cast<S*>(room)}, {rows.teacher, row, behind}, rows.classes, temperature, without};
}

}  // namespace limbeck::detail
