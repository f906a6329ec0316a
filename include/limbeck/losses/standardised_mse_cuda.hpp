// Squared differences of standardised class scores on a device.
#pragma once

#include "limbeck/losses/compared_rows_cuda.hpp"
#include "limbeck/losses/logit_rows_cuda.hpp"
#include "limbeck/losses/moments.hpp"

namespace limbeck::detail {

template <class A>
struct two_fours {
  four<A> student, teacher;
};

template <class A>
struct standardised_mse_row {
  [[nodiscard]] __device__ bool counts(index) const { return true; }

  template <class Team, class S, class U, class G>
  __device__ A operator()(Team team, const logit_rows<S, U, A, cuda, G>& rows, index row, A factor,
                          unsigned char* room) const {
    unsigned char* const behind = room == nullptr ? nullptr : room + room_of_row<S>(rows.classes);
    const device_row<A, S> student(rows.student, row, reinterpret_cast<S*>(room));
    const device_row<A, U> teacher(rows.teacher, row, reinterpret_cast<U*>(behind));
    const A share = A(1) / static_cast<A>(rows.classes);
    const auto read = [&](index first, index here) {
      return two_fours<A>{student.four_at(first, here), teacher.four_at(first, here)};
    };
    const auto summed = [&](const auto& look, const auto& term) {
      two_sums<A> sums;
      for_class_fours(team, rows.classes, [&](index first, index here) {
        const two_fours<A> z = look(first, here);
        for (int i = 0; i < 4; ++i)
          if (i < here) sums += term(z.student.at[i], z.teacher.at[i]);
      });
      return team.joined(sums, summed_up{});
    };
    const two_sums<A> mean = summed(
        [&](index first, index here) {
          return two_fours<A>{student.first_four(first, here), teacher.first_four(first, here)};
        },
        [](A z, A zt) {
          return two_sums<A>{z, zt};
        });
    const A mine = mean.first * share, theirs = mean.second * share;
    const two_sums<A> squares = summed(read, [&](A z, A zt) {
      const A s = z - mine, t = zt - theirs;
      return two_sums<A>{s * s, t * t};
    });
    const auto of_student = moments<A>::of(mine, squares.first * share);
    const auto of_teacher = moments<A>::of(theirs, squares.second * share);
    const two_sums<A> sums = summed(read, [&](A z, A zt) {
      const A s = of_student.standardised(z), d = s - of_teacher.standardised(zt);
      return two_sums<A>{d * d, d * s};
    });
    if (rows.gradients.empty()) return sums.first;
    const A by = A(2) * factor * of_student.inverse_deviation;
    for_class_fours(team, rows.classes, [&](index first, index here) {
      const two_fours<A> z = read(first, here);
      four<A> slopes{};
      for (int i = 0; i < 4; ++i)
        slopes.at[i] = by * standardised_slope(of_student.standardised(z.student.at[i]),
                                               of_teacher.standardised(z.teacher.at[i]), sums.second * share);
      add_to_gradient(rows, row, first, here, slopes);
    });
    return sums.first;
  }
};

template <class A, class S, class U, class G>
void standardised_mse_rows(cuda, const cuda_executor& on, const logit_rows<S, U, A, cuda, G>& rows) {
  launch_rows(on, "standardised_logits_mse", standardised_mse_row<A>{}, rows, pair_bytes<S, U>{});
}

}  // namespace limbeck::detail
