// Squared differences of margins, on the host.
#pragma once

#include <limits>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/losses/label_rows.hpp"
#include "limbeck/losses/logit_sweeps_cpu.hpp"
#include "limbeck/losses/margins.hpp"
#include "limbeck/losses/row_groups_cpu.hpp"

namespace limbeck::detail {

/// The relevant candidate of a row: its label, or the first where there are no labels. True of those rows that have
/// one.
template <class Rows>
struct relevant_candidates {
  const Rows& rows;
  label_rows<cpu> given;

  [[nodiscard]] index labels(index row) const { return given.labels.empty() ? 0 : given.labels(row); }
  [[nodiscard]] bool operator()(index row) const {
    using A = decltype(rows.factor(row));
    if (!given.labels.empty() && !given(row)) return false;
    return static_cast<A>(rows.teacher(row, labels(row))) != -std::numeric_limits<A>::infinity();
  }
};

/// What the student lacks of the margin between the relevant candidate and others, vector by vector: 0 of those that
/// are ruled out, behind the last, and of the relevant one itself where its scores are finite. Keeps its digits where
/// both margins nearly agree.
template <class Layout, class V>
struct lacking_margins {
  const staged_logits<Layout, V>&student, &teacher;
  V student_relevant, teacher_relevant;

  [[nodiscard]] LIMBECK_HD auto ruled_out(index k) const {
    return teacher[k] == V(-std::numeric_limits<typename V::scalar>::infinity());
  }
  [[nodiscard]] LIMBECK_HD V operator[](index k) const {
    const exact_difference<V> mine(student_relevant, student[k]), theirs(teacher_relevant, teacher[k]);
    return where(ruled_out(k), V(0), mine.beyond(theirs));
  }
};

struct margin_group {
  static constexpr bool takes_many = false;

  template <class Layout, class Rows, class V, class A>
  LIMBECK_HD static void run(const Rows& rows, const row_groups<V>& groups, const relevant_candidates<Rows>& relevant,
                             A* const& room) {
    const index size = Layout::padded(rows.classes);
    const staged_logits<Layout, V> student(rows.student, rows.classes, groups, room);
    const staged_logits<Layout, V> teacher(rows.teacher, rows.classes, groups, room + size);
    const lacking_margins<Layout, V> lacking{student, teacher,
                                             logits_of_labels<Layout, V>(rows.student, groups[0], relevant),
                                             logits_of_labels<Layout, V>(rows.teacher, groups[0], relevant)};
    long_sum<V> sum, squares, candidates;
    for (index k = 0; k < student.count(); ++k) {
      const V d = lacking[k];
      sum.add(d);
      squares.add(d * d);
      candidates.add(where(lacking.ruled_out(k), V(0), V(1)));
    }
    const V others = Layout::summed(candidates.total()) - V(1);
    const auto any = others > V(0);  // without one a row is skipped, whatever its scores hold
    const V share = where(any, V(1) / others, V(0));
    const V value = where(any, share * Layout::summed(squares.total()), V(0));
    add_values<Layout>(rows, groups, &value);
    if (rows.gradients.empty()) return;

    const gradient_rows<Layout, V, typename Rows::gradient_type> gradient(rows, groups, room + 2 * size, room);
    const V factor = V(2) * share * groups[0].template factors<Layout>();
    for (index k = 0; k < student.count(); ++k) gradient.add(k, where(any, -factor * lacking[k], V(0)));
    gradient.finish();
    add_to_labels(rows, groups[0], relevant, where(any, factor * Layout::summed(sum.total()), V(0)));
  }
};

struct margin_kernel {
  template <int Bytes, class Rows, class A>
  LIMBECK_HD static void run(const Rows& rows, const relevant_candidates<Rows>& relevant, index begin, index end,
                             A* room) {
    for_row_groups<margin_group, simd_of_bytes<A, Bytes>>(rows, begin, end, relevant, relevant, room);
  }
};

struct margin_scratch {};

template <class S, class U, class A, class G>
void margin_rows(cpu, const auto& on, const label_rows<cpu>& given, const logit_rows<S, U, A, cpu, G>& rows) {
  for_row_ranges(on, rows, [&](index begin, index end) {
    A* room = thread_scratch<margin_scratch, A>(3 * room_for<A>(rows.classes));
    const relevant_candidates<logit_rows<S, U, A, cpu, G>> relevant{rows, given};
    simd_dispatch<margin_kernel>(rows, relevant, begin, end, room);
  });
}

}  // namespace limbeck::detail
