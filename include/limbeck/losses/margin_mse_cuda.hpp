// Squared differences of margins, on a device: a team for each row, which is read once where it fits on chip.
#pragma once

#include <cmath>

#include "limbeck/losses/compared_rows_cuda.hpp"
#include "limbeck/losses/label_rows.hpp"
#include "limbeck/losses/margins.hpp"

namespace limbeck::detail {

/// Of the candidates that are not ruled out: what the student lacks of their margins, its squares, and how many they
/// are.
template <class A>
struct margin_sums {
  A lacking, squares, candidates;

  LIMBECK_HD margin_sums& operator+=(const margin_sums& other) {
    lacking += other.lacking;
    squares += other.squares;
    candidates += other.candidates;
    return *this;
  }
};

/// A row's value, and its gradient. A label that is no candidate gives NaN, and no gradient.
template <class A>
struct margin_row {
  label_rows<cuda> given;

  [[nodiscard]] __device__ bool counts(index row) const { return given.labels.empty() || given(row); }

  template <class Team, class S, class U, class G>
  __device__ A operator()(Team team, const logit_rows<S, U, A, cuda, G>& rows, index row, A factor,
                          unsigned char* room) const {
    const index label = given.labels.empty() ? 0 : given.labels(row);
    const bool known = label >= 0 && label < rows.classes;
    const A shown = known ? static_cast<A>(rows.teacher(row, label)) : A(0);
    if (!known || shown == static_cast<A>(-INFINITY))
      return skipped(team, rows, row, known ? A(0) : static_cast<A>(NAN));
    const A seen = static_cast<A>(rows.student(row, label));
    const device_row<A, S> student(rows.student, row, reinterpret_cast<S*>(room));
    const device_row<A, U> teacher(
        rows.teacher, row, reinterpret_cast<U*>(room == nullptr ? nullptr : room + room_of_row<S>(rows.classes)));
    margin_sums<A> sums{0, 0, 0};
    for_class_fours(team, rows.classes, [&](index first, index here) {
      const four<A> z = student.first_four(first, here), zt = teacher.first_four(first, here);
      for (int i = 0; i < 4; ++i) {
        if (i >= here || zt.at[i] == static_cast<A>(-INFINITY)) continue;
        const A d = lacking(seen, z.at[i], shown, zt.at[i]);
        sums += margin_sums<A>{d, d * d, A(1)};
      }
    });
    sums = team.joined(sums, summed_up{});
    const A others = sums.candidates - A(1);
    if (!(others > A(0))) return skipped(team, rows, row, A(0));
    const A slope = A(2) * factor / others;
    if (!rows.gradients.empty())
      for_class_fours(team, rows.classes, [&](index first, index here) {
        const four<A> z = student.four_at(first, here), zt = teacher.four_at(first, here);
        four<A> slopes{};
        for (int i = 0; i < 4; ++i) {
          if (i >= here || zt.at[i] == static_cast<A>(-INFINITY)) continue;
          slopes.at[i] = -slope * lacking(seen, z.at[i], shown, zt.at[i]);
          if (first + i == label) slopes.at[i] += slope * sums.lacking;
        }
        add_to_gradient(rows, row, first, here, slopes);
      });
    return sums.squares / others;
  }

 private:
  [[nodiscard]] __device__ static A lacking(A seen, A z, A shown, A zt) {
    return exact_difference<A>(seen, z).beyond(exact_difference<A>(shown, zt));
  }
  template <class Team, class Rows>
  __device__ static A skipped(Team team, const Rows& rows, index row, A value) {
    clear_fresh(team, rows, row, 0);
    return value;
  }
};

template <class A, class S, class U, class G>
void margin_rows(cuda, const cuda_executor& on, const label_rows<cuda>& given,
                 const logit_rows<S, U, A, cuda, G>& rows) {
  launch_rows(on, "margin_mse", margin_row<A>{given}, rows, pair_bytes<S, U>{});
}

}  // namespace limbeck::detail
