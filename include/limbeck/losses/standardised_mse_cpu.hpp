// Squared differences of standardised class scores on the host.
#pragma once

#include "limbeck/backend/scratch.hpp"
#include "limbeck/losses/logit_sweeps_cpu.hpp"
#include "limbeck/losses/moments.hpp"
#include "limbeck/losses/row_groups_cpu.hpp"

namespace limbeck::detail {

/// Of a row, or of each lane's row.
template <class Layout, class V>
LIMBECK_HD moments<V> moments_of(const staged_logits<Layout, V>& logits, index classes) {
  using A = typename V::scalar;
  const V share(A(1) / static_cast<A>(classes));
  long_sum<V> sum, squares;
  for (index k = 0; k < logits.count(); ++k) sum.add(in_class<Layout>(logits[k], k, classes));
  const V mean = Layout::summed(sum.total()) * share;
  for (index k = 0; k < logits.count(); ++k) {
    const V d = in_class<Layout>(logits[k] - mean, k, classes);
    squares.add(d * d);
  }
  return moments<V>::of(mean, Layout::summed(squares.total()) * share);
}

struct standardised_mse_group {
  static constexpr bool takes_many = false;

  template <class Layout, class Rows, class V, class A>
  LIMBECK_HD static void run(const Rows& rows, const row_groups<V>& groups, A* const& room) {
    const index classes = rows.classes, size = Layout::padded(classes);
    const staged_logits<Layout, V> student(rows.student, classes, groups, room);
    const staged_logits<Layout, V> teacher(rows.teacher, classes, groups, room + size);
    const auto of_student = moments_of(student, classes), of_teacher = moments_of(teacher, classes);
    long_sum<V> squares, along;  // along the student's own scores
    for (index k = 0; k < student.count(); ++k) {
      const V s = of_student.standardised(student[k]);
      const V d = in_class<Layout>(s - of_teacher.standardised(teacher[k]), k, classes);
      squares.add(d * d);
      along.add(in_class<Layout>(d * s, k, classes));
    }
    const V value = Layout::summed(squares.total());
    add_values<Layout>(rows, groups, &value);
    if (rows.gradients.empty()) return;

    const gradient_rows<Layout, V, typename Rows::gradient_type> gradient(rows, groups, room + 2 * size, room);
    const V mean_along = Layout::summed(along.total()) * V(A(1) / static_cast<A>(classes));
    const V factor = groups[0].template factors<Layout>() * V(A(2)) * of_student.inverse_deviation;
    for (index k = 0; k < student.count(); ++k) {
      const V s = of_student.standardised(student[k]);
      gradient.add(k, factor * standardised_slope(s, of_teacher.standardised(teacher[k]), mean_along));
    }
    gradient.finish();
  }
};

struct standardised_mse_kernel {
  template <int Bytes, class A, class Rows>
  LIMBECK_HD static void run(const Rows& rows, index begin, index end, A* room) {
    for_row_groups<standardised_mse_group, simd_of_bytes<A, Bytes>>(rows, begin, end, every_row{}, room);
  }
};

struct standardised_mse_scratch {};

template <class A, class S, class U, class G>
void standardised_mse_rows(cpu, const auto& on, const logit_rows<S, U, A, cpu, G>& rows) {
  for_row_ranges(on, rows, [&](index begin, index end) {
    A* room = thread_scratch<standardised_mse_scratch, A>(3 * room_for<A>(rows.classes));
    simd_dispatch<standardised_mse_kernel>(rows, begin, end, room);
  });
}

}  // namespace limbeck::detail
