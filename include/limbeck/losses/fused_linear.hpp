// Losses on class scores that are never held at once: the last linear map goes through them in slices of rows.
#pragma once

#include <algorithm>

#include "limbeck/losses/fused_rows.hpp"
#include "limbeck/losses/linear_head.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/write_gradient.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "limbeck/ops/linear.hpp"

namespace limbeck {

/// Whether a loss compares the rows of a batch with each other, and so must see all of them at once.
template <class L>
inline constexpr bool is_batch_loss = requires { L::of_batch; };
template <class F, class L>
inline constexpr bool is_batch_loss<scaled<F, L>> = is_batch_loss<L>;
template <class... L>
inline constexpr bool is_batch_loss<sum<L...>> = (is_batch_loss<L> || ...);

/// The numbers that fused_linear() needs for each row that it works on at one time, whatever the loss: the logits of
/// both models and their gradient, and the hidden states of both with the gradient of the student's.
template <class T, backend B>
[[nodiscard]] index fused_linear_room(const linear_head<const T, B>& student,
                                      const linear_head<const T, B>& teacher = {}) {
  return 3 * student.weight.extent(0) + 2 * student.weight.extent(1) + teacher.weight.extent(1);
}
/// The same for one loss, whose gradient may take the place of the logits. teacher: as fused_linear() is given it.
/// Looks at shapes alone.
template <some_loss L, class T, backend B, class Teacher>
[[nodiscard]] index fused_linear_room(const L&, const linear_head<const T, B>& student, const Teacher& teacher) {
  const index all = student.weight.extent(0), classes = student.valid_classes > 0 ? student.valid_classes : all;
  index room = classes + 2 * student.weight.extent(1);
  if (!takes_place_of_logits<L>(classes)) room += classes;
  if constexpr (requires { teacher.weight; })
    room += teacher.weight.extent(0) == 0 ? 0 : classes + teacher.weight.extent(1);
  else
    room += teacher.logits.extent(0) == 0 ? 0 : classes;
  return room;
}

namespace detail {

/// A head's valid part.
template <class T, backend B>
[[nodiscard]] linear_head<T, B> valid_part(const linear_head<T, B>& head, index classes) {
  linear_head<T, B> part = head;
  if (!head.weight.empty()) part.weight = row_block(head.weight, 0, classes);
  if (!head.bias.empty()) part.bias = view<T, 1, B>(head.bias.data(), {{classes}}, {{head.bias.stride(0)}});
  return part;
}

/// The teacher's logits of a slice: of its own linear map, or those that are there. Empty without a teacher.
template <class E, class T, backend B>
[[nodiscard]] view<const T, 2, B> logits_of_slice(const E& on, const linear_head<const T, B>& teacher,
                                                  const fused_rows<T, B>& slice, index count, index classes,
                                                  pieces_of<T, B>& room) {
  if (teacher.hidden.empty()) return {};
  const view<T, 2, B> z = room.matrix(count, classes);
  const linear_head<const T, B> part = valid_part(teacher, classes);
  ops::linear(on, slice.rows(on, part.hidden, room.matrix(count, part.hidden.extent(1))), part.weight, part.bias, z);
  return read_only(z);
}
template <class E, class T, class U>
[[nodiscard]] view<const T, 2> logits_of_slice(const E&, const signals<const U>& teacher,
                                               const fused_rows<T, cpu>& slice, index count, index classes,
                                               pieces_of<T>& room) {
  if (teacher.logits.empty()) return {};
  const view<T, 2> z = room.matrix(count, classes);
  for (index i = 0; i < count; ++i)
    for (index c = 0; c < classes; ++c) z(i, c) = static_cast<T>(teacher.logits(slice.ids()(i), c));
  return read_only(z);
}
template <class E, class T, class U>
[[nodiscard]] view<const U, 2, cuda> logits_of_slice(const E&, const signals<const U, cuda>& teacher,
                                                     const fused_rows<T, cuda>& slice, index, index classes,
                                                     pieces_of<T, cuda>&) {
  if (teacher.logits.empty()) return {};
  const view<const U, 2, cuda> rows = slice.block(teacher.logits);
  return {rows.data(), {{rows.extent(0), classes}}, {{rows.stride(0), rows.stride(1)}}};
}

/// write_gradient() where E works.
template <class L, class E, class S, class U, class A, backend B, class G>
void write_slice(const L& loss, const E& on, const signals<const S, B>& student, const signals<const U, B>& teacher,
                 const targets<A, B>& given, const sink<A, B, G>& out) {
  if constexpr (std::same_as<B, cpu>) {
    write_gradient(loss, on, student, teacher, given, out);
  } else if constexpr (requires { loss(on, student, teacher, given, out, gradient_holds::anything); }) {
    loss(on, student, teacher, given, out, gradient_holds::anything);
  } else {
    if (!out.gradient.logits.empty()) ops::fill(on, G(0), out.gradient.logits);
    loss(on, student, teacher, given, out);
  }
}

template <class T, backend B>
void expects_head(const char* whose, const linear_head<const T, B>& head, index classes) {
  expects(head.hidden.extent(1) == head.weight.extent(1), [&] {
    return message("fused_linear: ", whose, " hidden ", shape_text(head.hidden), " for weight ",
                   shape_text(head.weight));
  });
  expects(head.weight.extent(0) >= classes && (head.bias.empty() || head.bias.extent(0) >= classes), [&] {
    return message("fused_linear: ", whose, " weight ", shape_text(head.weight), " and bias ", shape_text(head.bias),
                   " for ", classes, " classes");
  });
}
template <class T, backend B>
void expects_teacher(const linear_head<const T, B>& teacher, index rows, index classes) {
  if (teacher.hidden.empty()) return;
  expects_head("teacher's", teacher, classes);
  expects(teacher.hidden.extent(0) == rows, [&] {
    return message("fused_linear: teacher's hidden ", shape_text(teacher.hidden), " for ", rows, " rows");
  });
}
template <class U, backend B>
void expects_teacher(const signals<const U, B>& teacher, index rows, index classes) {
  expects(teacher.logits.empty() || (teacher.logits.extent(0) == rows && teacher.logits.extent(1) >= classes), [&] {
    return message("fused_linear: teacher's logits ", shape_text(teacher.logits), " for ", rows, " rows of ", classes,
                   " classes");
  });
}
template <class T, backend B>
void expects_gradient(const linear_head<T, B>& gradient, const linear_head<const T, B>& student) {
  const auto fits = [&](const char* what, const auto& g, const auto& of) {
    if (!g.empty()) expects_same_shape("fused_linear", what, g, of);
  };
  fits("gradient of hidden", read_only(gradient.hidden), student.hidden);
  fits("gradient of weight", read_only(gradient.weight), student.weight);
  expects(gradient.bias.empty() || gradient.bias.extent(0) == student.bias.extent(0), [&] {
    return message("fused_linear: gradient of bias ", shape_text(gradient.bias), ", bias ", shape_text(student.bias));
  });
}

}  // namespace detail

/// Calls a loss that reads logits alone on those of student.hidden * student.weight' + bias, and adds the gradients of
/// hidden states, weight and bias to `gradient`; value, weights and counts are out's, whose own gradients stay empty.
/// Logits exist for as many rows at one time as the workspace holds, in it. On the host values and gradients of the
/// logits have the same bits for every size of it that the matrix product has, and rows of weight 0 are left out of all
/// products, so a masked prompt costs nothing; on a device values are summed slice by slice, and such rows cost their
/// products. Columns behind valid_classes are left out on both. teacher: a linear head of its own width, or signals
/// with logits [rows, classes], or `signals<const T, B>{}` for a loss that reads labels. On the host it allocates a few
/// numbers a row, once; waits for nothing. Throws contract_error where shapes do not fit or the workspace holds not one
/// row (fused_linear_room() numbers each).
template <some_loss L, launchable E, class T, class Teacher, backend B = backend_of<E>>
void fused_linear(const L& loss, const E& on, const linear_head<const T, B>& student, const Teacher& teacher,
                  const targets<T, B>& given, const sink<T, B>& out, const linear_head<T, B>& gradient,
                  view<T, 1, B> workspace) {
  if constexpr (std::same_as<B, cpu>)
    static_assert(!writes_in_place<L> || writes_gradient<L, E, T, T, T, T>,
                  "fused_linear: a loss that says in_place must take gradient_holds");
  static_assert(!is_batch_loss<L>, "fused_linear: a loss that compares the rows of a batch must see all of them");
  expects(loss.reads == signal::logits, "fused_linear: the loss reads more than logits");
  const index classes = student.valid_classes > 0 ? student.valid_classes : student.weight.extent(0);
  const index width = student.weight.extent(1), rows = student.hidden.extent(0);
  detail::expects_head("student's", student, classes);
  detail::expects_teacher(teacher, rows, classes);
  detail::expects_gradient(gradient, student);
  const index a_row = fused_linear_room(loss, student, teacher), most = workspace.count() / a_row;
  expects(most > 0,
          [&] { return message("fused_linear: a workspace of ", workspace.count(), " numbers, a row needs ", a_row); });

  detail::fused_rows<T, B> slice(student, given, out);
  const linear_head<const T, B> head = detail::valid_part(student, classes);
  const linear_head<T, B> wanted = detail::valid_part(gradient, classes);
  const bool any = !wanted.hidden.empty() || !wanted.weight.empty() || !wanted.bias.empty();
  for (index first = 0; first < slice.all(); first += most) {
    const index count = std::min(most, slice.all() - first);
    slice.take(first, count);
    detail::pieces_of<T, B> room(workspace);
    const view<const T, 2, B> hidden = slice.rows(on, head.hidden, room.matrix(count, width));
    const view<T, 2, B> logits = room.matrix(count, classes);
    const view<T, 2, B> dlogits = takes_place_of_logits<L>(classes) ? logits : room.matrix(count, classes);
    ops::linear(on, hidden, head.weight, head.bias, logits);
    sink<T, B> here = slice.out();
    here.gradient = {};
    if (any) here.gradient.logits = dlogits;
    const signals<const T, B> seen{.logits = read_only(logits), .row_sample = slice.samples()};
    const auto theirs = detail::logits_of_slice(on, teacher, slice, count, classes, room);
    const signals<typename decltype(theirs)::element, B> shown{.logits = theirs, .row_sample = slice.samples()};
    detail::write_slice(loss, on, seen, shown, slice.given(), here);
    if (!any) continue;
    const bool in_place = slice.side_by_side();
    const view<T, 2, B> dhidden = wanted.hidden.empty() ? view<T, 2, B>()
                                  : in_place            ? slice.block(wanted.hidden)
                                                        : room.matrix(count, width);
    ops::linear_backward(on, hidden, head.weight, read_only(dlogits), wanted.weight, wanted.bias, dhidden, in_place);
    if (!dhidden.empty() && !in_place) slice.scatter(on, read_only(dhidden), wanted.hidden);
  }
}

}  // namespace limbeck
