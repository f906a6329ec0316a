// Cross-entropy with hard labels on a device.
//
// What lies on a device cannot be looked at without waiting for it: a row whose label is no class gets NaN for a value,
// and no gradient.
#pragma once

#include <cmath>

#include "limbeck/losses/label_rows.hpp"
#include "limbeck/losses/logit_rows_cuda.hpp"

namespace limbeck::detail {

template <class A>
struct cross_entropy_row {
  label_rows<cuda> given;
  A smoothing;

  [[nodiscard]] __device__ bool counts(index row) const { return given(row); }

  template <class Team, class S, class G>
  __device__ A operator()(Team team, const logit_rows<S, S, A, cuda, G>& rows, index row, A factor,
                          unsigned char* room) const {
    const std::int32_t label = given.labels(row);
    if (label < 0 || label >= rows.classes) {
      clear_fresh(team, rows, row, 0);
      return static_cast<A>(NAN);
    }
    const device_row<A, S> logits(rows.student, row, reinterpret_cast<S*>(room));
    running_softmax<A> softmax = running_softmax<A>::none();
    for_class_fours(team, rows.classes, [&](index first, index here) {
      const four<A> z = logits.first_four(first, here);
      for (int i = 0; i < 4; ++i)
        if (i < here) softmax.add(z.at[i], A(1));
    });
    softmax = team.joined(softmax, [](const running_softmax<A>& a, const running_softmax<A>& b) {
      return running_softmax<A>::joined(a, b, A(1));
    });
    const A onto_label = A(1) - smoothing, onto_each = smoothing / static_cast<A>(rows.classes);
    A value = 0;  // of the classes that are this thread's
    for_class_fours(team, rows.classes, [&](index first, index here) {
      const four<A> logit = logits.four_at(first, here);
      four<A> slopes{};
      for (int i = 0; i < 4; ++i) {
        if (i >= here) continue;
        const A z = logit.at[i] - softmax.top, taken = first + i == label ? onto_label : A(0);
        if (first + i == label) value -= onto_label * z;
        if (smoothing != A(0)) value -= onto_each * z;
        slopes.at[i] = factor * (exp(z) / softmax.sum - (onto_each + taken));
      }
      if (!rows.gradients.empty()) add_to_gradient(rows, row, first, here, slopes);
    });
    return log(softmax.sum) + team.joined(value, summed_up{});
  }
};

template <class A, class S, class G>
void cross_entropy_rows(cuda, const cuda_executor& on, const label_rows<cuda>& given, A smoothing,
                        const logit_rows<S, S, A, cuda, G>& rows) {
  expects_labels("cross_entropy", rows, given);
  launch_rows(on, "cross_entropy", cross_entropy_row<A>{given, smoothing}, rows, row_bytes<S>{});
}

}  // namespace limbeck::detail
