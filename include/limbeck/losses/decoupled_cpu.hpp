// Losses on the host that look at a row's label and at the other classes apart.
#pragma once

#include "limbeck/backend/scratch.hpp"
#include "limbeck/losses/compared_rows_cpu.hpp"
#include "limbeck/losses/label_or_not.hpp"
#include "limbeck/losses/logit_sweeps_cpu.hpp"
#include "limbeck/losses/row_groups_cpu.hpp"

namespace limbeck::detail {

/// The sum over the other classes, and its gradient if wanted; `pull` is what a class loses by its share of them.
struct others_sweep {
  template <int Bytes, class Compared, class A, class D, class Gradient, class V>
  LIMBECK_HD static void run(const Compared& rows, const decoupled_terms<A, D, cpu>& terms, const Gradient& gradient,
                             bool wanted, const V& factor, const V& pull, V& value) {
    static_assert(D::slope_sum == 0);
    const Gradient to = gradient;
    const V weight(terms.of_others);
    V sum(0);
    for (index b = 0; b < rows.blocks(); ++b) {
      const auto here = rows[b];
      for (index k = here.begin; k < here.end; ++k) {
        const divergence_term<V> term = terms.divergence(here[k]);
        sum += term.value;
        if (wanted) to.add(k, factor * logit_slope(weight * term.slope, here.student(k), pull));
      }
    }
    value = Compared::layout::summed(sum);
  }
};

struct decoupled_group {
  static constexpr bool takes_many = false;

  template <class Layout, class Rows, class V, class A, class D>
  LIMBECK_HD static void run(const Rows& rows, const row_groups<V>& groups, const decoupled_terms<A, D, cpu>& terms,
                             A* const& room) {
    using compared_type = compared_rows<Layout, V>;
    const row_group<V>& group = groups[0];
    compared_type others(rows, groups, terms.temperature, room, true);
    for (int lane = 0; lane < group.count; ++lane)
      others.rule_out(rows.classes, 0, lane, terms.given.labels(group.row[lane]));
    call_kernel<compare_rows, sizeof(V)>(others);

    const softened_pair<V>& pair = others.pair(0);
    const V z = logits_of_labels<Layout, V>(rows.student, group, terms.given);
    const V zt = logits_of_labels<Layout, V>(rows.teacher, group, terms.given);
    const auto two =
        label_or_not<V>::of(pair.student_exponent(z) - log(pair.student_sum),
                            pair.teacher_exponent(zt) - log(pair.teacher_sum), pair.apart(z - zt) - pair.drift);
    const V pull = V(terms.of_label) * two.pull();
    const V factor = group.template factors<Layout>() * pair.inverse_temperature;
    const bool wanted = !rows.gradients.empty();
    const gradient_rows<Layout, V, typename Rows::gradient_type> gradient(
        rows, groups, room + compared_type::kept_room(rows.classes, 1), room);
    V value;
    call_kernel<others_sweep, sizeof(V)>(others, terms, gradient, wanted, factor, pull, value);
    if (wanted) gradient.finish();
    if (wanted) add_to_labels(rows, group, terms.given, factor * pull);
    value *= V(terms.of_others);
    if (terms.of_label != A(0)) value += V(terms.of_label) * two.divergence();
    add_values<Layout>(rows, groups, &value);
  }
};

/// Cross-entropy at temperature 1, weighted by the teacher's probability of the label.
struct teacher_weighted_group {
  static constexpr bool takes_many = false;

  template <class Layout, class Rows, class V, class A>
  LIMBECK_HD static void run(const Rows& rows, const row_groups<V>& groups, const label_rows<cpu>& given,
                             A* const& room) {
    using compared_type = compared_rows<Layout, V>;
    const row_group<V>& group = groups[0];
    compared_type all(rows, groups, A(1), room);
    call_kernel<compare_rows, sizeof(V)>(all);
    const softened_pair<V>& pair = all.pair(0);
    const V z = logits_of_labels<Layout, V>(rows.student, group, given);
    const V zt = logits_of_labels<Layout, V>(rows.teacher, group, given);
    const V weight = exp(pair.teacher_exponent(zt) - log(pair.teacher_sum));
    const V value = weighted_surprise(weight, log(pair.student_sum) - pair.student_exponent(z));
    add_values<Layout>(rows, groups, &value);
    if (rows.gradients.empty()) return;
    const gradient_rows<Layout, V, typename Rows::gradient_type> gradient(
        rows, groups, room + compared_type::kept_room(rows.classes, 1), room);
    const V factor = group.template factors<Layout>() * weight;
    for (index b = 0; b < all.blocks(); ++b) {
      const auto here = all[b];
      for (index k = here.begin; k < here.end; ++k) gradient.add(k, factor * here.student(k));
    }
    gradient.finish();
    add_to_labels(rows, group, given, -factor);
  }
};

struct decoupled_kernel {
  template <int Bytes, class A, class D, class Rows>
  LIMBECK_HD static void run(const decoupled_terms<A, D, cpu>& terms, const Rows& rows, index begin, index end,
                             A* room) {
    for_row_groups<decoupled_group, simd_of_bytes<A, Bytes>>(rows, begin, end, terms.given, terms, room);
  }
};
struct teacher_weighted_kernel {
  template <int Bytes, class Rows, class A>
  LIMBECK_HD static void run(const label_rows<cpu>& given, const Rows& rows, index begin, index end, A* room) {
    for_row_groups<teacher_weighted_group, simd_of_bytes<A, Bytes>>(rows, begin, end, given, given, room);
  }
};

struct decoupled_scratch {};

template <class D, class A, class S, class U, class G>
void decoupled_rows(cpu, const auto& on, const char* loss, const decoupled_terms<A, D, cpu>& terms,
                    const logit_rows<S, U, A, cpu, G>& rows) {
  expects_labels(loss, rows, terms.given);
  expects(rows.classes > 1, [&] { return message(loss, ": a class beside the label is needed, there is one class"); });
  for_row_ranges(on, rows, [&](index begin, index end) {
    A* room = thread_scratch<decoupled_scratch, A>(compared_room<A>(rows.classes));
    simd_dispatch<decoupled_kernel>(terms, rows, begin, end, room);
  });
}
template <class A, class S, class U, class G>
void teacher_weighted_rows(cpu, const auto& on, const char* loss, const label_rows<cpu>& given,
                           const logit_rows<S, U, A, cpu, G>& rows) {
  expects_labels(loss, rows, given);
  for_row_ranges(on, rows, [&](index begin, index end) {
    A* room = thread_scratch<decoupled_scratch, A>(compared_room<A>(rows.classes));
    simd_dispatch<teacher_weighted_kernel>(given, rows, begin, end, room);
  });
}

}  // namespace limbeck::detail
