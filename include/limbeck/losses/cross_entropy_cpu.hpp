// Cross-entropy with hard labels on the host, one exponential a class.
#pragma once

#include "limbeck/backend/scratch.hpp"
#include "limbeck/losses/label_rows.hpp"
#include "limbeck/losses/logit_sweeps_cpu.hpp"
#include "limbeck/losses/row_groups_cpu.hpp"

namespace limbeck::detail {

struct cross_entropy_group {
  static constexpr bool takes_many = false;

  template <class Layout, class Rows, class V, class A>
  LIMBECK_HD static void run(const Rows& rows, const row_groups<V>& groups, const label_rows<cpu>& given,
                             const A& smoothing, A* const& room) {
    const index size = Layout::padded(rows.classes);
    const row_group<V>& group = groups[0];
    const staged_logits<Layout, V> logits(rows.student, rows.classes, groups, room + size);
    const V top = logits.top(), onto_label(A(1) - smoothing);
    const V onto_each(smoothing / static_cast<A>(rows.classes));

    long_sum<V> exp_sum, logit_sum;
    for (index k = 0; k < logits.count(); ++k) {
      logits.prefetch(k);
      const V z = logits[k] - top, e = exp_below_one(z);
      exp_sum.add(e);
      store(room + k * V::width, e);
      if (smoothing != A(0)) logit_sum.add(in_class<Layout>(z, k, rows.classes));
    }
    const V sum = Layout::summed(exp_sum.total());
    V value = log(sum) - onto_label * (logits_of_labels<Layout, V>(rows.student, group, given) - top);
    if (smoothing != A(0)) value -= onto_each * Layout::summed(logit_sum.total());
    add_values<Layout>(rows, groups, &value);
    if (rows.gradients.empty()) return;

    const V taken = onto_label * sum;
    for (int lane = 0; lane < group.count; ++lane) {
      const index label = given.labels(group.row[lane]);
      room[Layout::one_row ? label : label * V::width + lane] -= taken[lane];
    }
    const gradient_rows<Layout, V, typename Rows::gradient_type> gradient(rows, groups, room + size, room);
    const V factor = group.template factors<Layout>(), scale = V(A(1)) / sum;
    for (index k = 0; k < logits.count(); ++k)
      gradient.add(k, factor * (load<V>(static_cast<const A*>(room + k * V::width)) * scale - onto_each));
    gradient.finish();
  }
};

struct cross_entropy_kernel {
  template <int Bytes, class A, class Rows>
  LIMBECK_HD static void run(const label_rows<cpu>& given, A smoothing, const Rows& rows, index begin, index end,
                             A* room) {
    for_row_groups<cross_entropy_group, simd_of_bytes<A, Bytes>>(rows, begin, end, given, given, smoothing, room);
  }
};

struct cross_entropy_scratch {};

template <class A, class S, class G>
[[nodiscard]] auto cross_entropy_work(const label_rows<cpu>& given, A smoothing,
                                      const logit_rows<S, S, A, cpu, G>& rows) {
  expects_labels("cross_entropy", rows, given);
  return row_work{rows, [given, smoothing](const auto& all, index begin, index end) {
                    A* room = thread_scratch<cross_entropy_scratch, A>(2 * room_for<A>(all.classes));
                    simd_dispatch<cross_entropy_kernel>(given, smoothing, all, begin, end, room);
                  }};
}
template <class A, class S, class G>
void cross_entropy_rows(cpu, const auto& on, const label_rows<cpu>& given, A smoothing,
                        const logit_rows<S, S, A, cpu, G>& rows) {
  carry_out(on, cross_entropy_work(given, smoothing, rows));
}

}  // namespace limbeck::detail
