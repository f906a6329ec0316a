// Losses on a device that look at a row's label and at the other classes apart.
//
// What lies on a device cannot be looked at without waiting for it: a row whose label is no class gets NaN for a value,
// and no gradient.
#pragma once

#include <cmath>

#include "limbeck/losses/compared_rows_cuda.hpp"
#include "limbeck/losses/label_or_not.hpp"

namespace limbeck::detail {

template <class A, class D>
struct decoupled_row {
  decoupled_terms<A, D, cuda> terms;

  [[nodiscard]] __device__ bool counts(index row) const { return terms.given(row); }

  template <class Team, class S, class U, class G>
  __device__ A operator()(Team team, const logit_rows<S, U, A, cuda, G>& rows, index row, A factor,
                          unsigned char* room) const {
    static_assert(D::slope_sum == 0);
    const index label = terms.given.labels(row);
    if (label < 0 || label >= rows.classes) {
      clear_fresh(team, rows, row, 0);
      return static_cast<A>(NAN);
    }
    const auto others = pair_of_logits<Team>(rows, row, terms.temperature, room, label);
    team.sync();  // the label's logits were put on chip by another thread
    const softened_pair<A>& pair = others.pair();
    const A z = others.student_logit(label), zt = others.teacher_logit(label);
    const auto two =
        label_or_not<A>::of(pair.student_exponent(z) - log(pair.student_sum),
                            pair.teacher_exponent(zt) - log(pair.teacher_sum), pair.apart(z - zt) - pair.drift);
    const A pull = terms.of_label * two.pull(), scale = factor * pair.inverse_temperature;
    const bool wanted = !rows.gradients.empty();
    A sum = 0;
    others.for_fours_of_both([&](index first, index here, const four<A>& of_student, const four<A>& of_teacher) {
      four<A> slopes{};
      for (int i = 0; i < 4; ++i) {
        if (i >= here) continue;
        if (first + i == label) {
          slopes.at[i] = scale * pull;
          continue;
        }
        const compared<A> at = others.at(of_student.at[i], of_teacher.at[i]);
        const divergence_term<A> term = terms.divergence(at);
        sum += term.value;
        slopes.at[i] = scale * logit_slope(terms.of_others * term.slope, at.student, pull);
      }
      if (wanted) add_to_gradient(rows, row, first, here, slopes);
    });
    sum = terms.of_others * team.joined(sum, summed_up{});
    return terms.of_label != A(0) ? sum + terms.of_label * two.divergence() : sum;
  }
};

template <class D, class A, class S, class U, class G>
void decoupled_rows(cuda, const cuda_executor& on, const char* loss, const decoupled_terms<A, D, cuda>& terms,
                    const logit_rows<S, U, A, cuda, G>& rows) {
  expects_labels(loss, rows, terms.given);
  expects(rows.classes > 1, [&] { return message(loss, ": a class beside the label is needed, there is one class"); });
  launch_rows(on, loss, decoupled_row<A, D>{terms}, rows, pair_bytes<S, U>{});
}

/// Cross-entropy at temperature 1, weighted by the teacher's probability of the label.
struct teacher_weighted_row {
  label_rows<cuda> given;

  [[nodiscard]] __device__ bool counts(index row) const { return given(row); }

  template <class Team, class S, class U, class A, class G>
  __device__ A operator()(Team team, const logit_rows<S, U, A, cuda, G>& rows, index row, A factor,
                          unsigned char* room) const {
    const index label = given.labels(row);
    if (label < 0 || label >= rows.classes) {
      clear_fresh(team, rows, row, 0);
      return static_cast<A>(NAN);
    }
    const auto all = pair_of_logits<Team>(rows, row, A(1), room);
    team.sync();  // the label's logits were put on chip by another thread
    const softened_pair<A>& pair = all.pair();
    const A weight = exp(pair.teacher_exponent(all.teacher_logit(label)) - log(pair.teacher_sum));
    if (!rows.gradients.empty())
      all.for_fours_of_both([&](index first, index here, const four<A>& z, const four<A>&) {
        four<A> slopes{};
        for (int i = 0; i < 4; ++i)
          slopes.at[i] = factor * weight * (all.student(z.at[i]) - (first + i == label ? A(1) : A(0)));
        add_to_gradient(rows, row, first, here, slopes);
      });
    return weighted_surprise(weight, log(pair.student_sum) - pair.student_exponent(all.student_logit(label)));
  }
};

template <class A, class S, class U, class G>
void teacher_weighted_rows(cuda, const cuda_executor& on, const char* loss, const label_rows<cuda>& given,
                           const logit_rows<S, U, A, cuda, G>& rows) {
  expects_labels(loss, rows, given);
  launch_rows(on, loss, teacher_weighted_row{given}, rows, pair_bytes<S, U>{});
}

}  // namespace limbeck::detail
