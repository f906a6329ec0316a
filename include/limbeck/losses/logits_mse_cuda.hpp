// Squared differences of class scores, and of a regressor's outputs from their targets, on a device.
#pragma once

#include "limbeck/losses/logit_rows_cuda.hpp"
#include "limbeck/losses/logits_gap.hpp"

namespace limbeck::detail {

template <class A>
struct logits_mse_row {
  A temperature, teacher_scale;

  [[nodiscard]] __device__ bool counts(index) const { return true; }

  template <class Team, class S, class U, class G>
  __device__ A operator()(Team team, const logit_rows<S, U, A, cuda, G>& rows, index row, A factor,
                          unsigned char*) const {
    const device_row<A, S> student(rows.student, row, nullptr);
    const device_row<A, U> teacher(rows.teacher, row, nullptr);
    const A inverse = A(1) / temperature;
    A sum = 0;
    for_class_fours(team, rows.classes, [&](index first, index here) {
      const four<A> z = student.four_at(first, here), zt = teacher.four_at(first, here);
      four<A> slopes{};
      for (int i = 0; i < 4; ++i) {
        if (i >= here) continue;
        const A d = logits_gap(z.at[i], teacher_scale * zt.at[i], inverse);
        sum += d * d;
        slopes.at[i] = A(2) * factor * inverse * d;
      }
      if (!rows.gradients.empty()) add_to_gradient(rows, row, first, here, slopes);
    });
    return team.joined(sum, summed_up{});
  }
};

template <class A, class S, class U, class G>
void logits_mse_rows(cuda, const cuda_executor& on, A temperature, A teacher_scale,
                     const logit_rows<S, U, A, cuda, G>& rows) {
  launch_rows(on, "logits_mse", logits_mse_row<A>{temperature, teacher_scale}, rows, no_bytes{});
}

template <class A>
struct regression_row {
  view<const A, 1, cuda> scores;

  [[nodiscard]] __device__ bool counts(index) const { return true; }

  template <class Team, class S, class G>
  __device__ A operator()(Team team, const logit_rows<S, S, A, cuda, G>& rows, index row, A factor,
                          unsigned char*) const {
    const A error = static_cast<A>(rows.student(row, 0)) - scores(row);
    if (team.lane() == 0 && !rows.gradients.empty())
      add_to_gradient(rows, row, 0, 1, four<A>{{A(2) * factor * error, 0, 0, 0}});
    return error * error;
  }
};

template <class A, class S, class G>
void regression_rows(cuda, const cuda_executor& on, const view<const A, 1, cuda>& scores,
                     const logit_rows<S, S, A, cuda, G>& rows) {
  launch_rows(on, "regression_mse", regression_row<A>{scores}, rows, no_bytes{});
}

}  // namespace limbeck::detail
