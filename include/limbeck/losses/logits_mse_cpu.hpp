// Squared differences of class scores, and of a regressor's outputs from their targets, on the host.
#pragma once

#include "limbeck/backend/scratch.hpp"
#include "limbeck/losses/logit_sweeps_cpu.hpp"
#include "limbeck/losses/logits_gap.hpp"
#include "limbeck/losses/row_groups_cpu.hpp"

namespace limbeck::detail {

struct logits_mse_group {
  static constexpr bool takes_many = false;

  template <class Layout, class Rows, class V, class A>
  LIMBECK_HD static void run(const Rows& rows, const row_groups<V>& groups, const A& temperature,
                             const A& teacher_scale, A* const& room) {
    const index size = Layout::padded(rows.classes);
    const staged_logits<Layout, V> student(rows.student, rows.classes, groups, room);
    const staged_logits<Layout, V> teacher(rows.teacher, rows.classes, groups, room + size);
    const gradient_rows<Layout, V, typename Rows::gradient_type> gradient(rows, groups, room + 2 * size, room);
    const V inverse(A(1) / temperature), scale(teacher_scale),
        factor = groups[0].template factors<Layout>() * V(A(2) / temperature);
    long_sum<V> squares;
    for (index k = 0; k < student.count(); ++k) {
      const V d = logits_gap(student[k], scale * teacher[k], inverse);
      squares.add(d * d);
      if (!rows.gradients.empty()) gradient.add(k, factor * d);
    }
    if (!rows.gradients.empty()) gradient.finish();
    const V value = Layout::summed(squares.total());
    add_values<Layout>(rows, groups, &value);
  }
};

struct logits_mse_kernel {
  template <int Bytes, class A, class Rows>
  LIMBECK_HD static void run(A temperature, A teacher_scale, const Rows& rows, index begin, index end, A* room) {
    for_row_groups<logits_mse_group, simd_of_bytes<A, Bytes>>(rows, begin, end, every_row{}, temperature, teacher_scale,
                                                              room);
  }
};

struct logits_mse_scratch {};

template <class A, class S, class U, class G>
[[nodiscard]] auto logits_mse_work(A temperature, A teacher_scale, const logit_rows<S, U, A, cpu, G>& rows) {
  return row_work{rows, [temperature, teacher_scale](const auto& all, index begin, index end) {
                    A* room = thread_scratch<logits_mse_scratch, A>(3 * room_for<A>(all.classes));
                    simd_dispatch<logits_mse_kernel>(temperature, teacher_scale, all, begin, end, room);
                  }};
}
template <class A, class S, class U, class G>
void logits_mse_rows(cpu, const auto& on, A temperature, A teacher_scale, const logit_rows<S, U, A, cpu, G>& rows) {
  carry_out(on, logits_mse_work(temperature, teacher_scale, rows));
}

template <class A, class S, class G>
void regression_rows(cpu, const auto& on, const view<const A, 1>& scores, const logit_rows<S, S, A, cpu, G>& rows) {
  for_row_ranges(on, rows, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const A factor = rows.factor(i);
      if (factor == A(0)) continue;
      const A error = static_cast<A>(rows.student(i, 0)) - scores(i);
      if (!rows.values.empty()) rows.values(rows.sample(i)) += factor * error * error;
      if (rows.gradients.empty()) continue;
      G& place = rows.gradients(i, 0);
      place = static_cast<G>(static_cast<A>(place) + A(2) * factor * error);
    }
  });
}

}  // namespace limbeck::detail
