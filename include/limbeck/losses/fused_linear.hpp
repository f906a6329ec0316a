// Losses on class scores that are never held at once: the last linear map goes through them in slices of rows.
#pragma once

#include <algorithm>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/write_gradient.hpp"
#include "limbeck/ops/embedding.hpp"
#include "limbeck/ops/linear.hpp"

namespace limbeck {

/// What logits are made of: hidden * weight' + bias. Also the shape of their gradients, where an empty member is not
/// wanted and the last two mean nothing.
template <class T, backend B = cpu>
struct linear_head {
  view<T, 2, B> hidden{};                       ///< [rows, width]
  view<T, 2, B> weight{};                       ///< [classes, width]
  view<T, 1, B> bias{};                         ///< [classes], or empty
  view<const std::int32_t, 1, B> row_sample{};  ///< [rows], not decreasing: whose row it is; empty: row = sample
  index valid_classes = 0;                      ///< the rest is padding; 0: all are valid
};

/// Whether a loss compares the rows of a batch with each other, and so must see all of them at once.
template <class L>
inline constexpr bool is_batch_loss = requires { L::of_batch; };
template <class F, class L>
inline constexpr bool is_batch_loss<scaled<F, L>> = is_batch_loss<L>;
template <class... L>
inline constexpr bool is_batch_loss<sum<L...>> = (is_batch_loss<L> || ...);

/// The numbers that fused_linear() needs for each row that it works on at one time, whatever the loss: the logits of
/// both models and their gradient, and the hidden states of both with the gradient of the student's.
template <class T>
[[nodiscard]] index fused_linear_room(const linear_head<const T>& student, const linear_head<const T>& teacher = {}) {
  return 3 * student.weight.extent(0) + 2 * student.weight.extent(1) + teacher.weight.extent(1);
}
/// The same for one loss, whose gradient may take the place of the logits. teacher: as fused_linear() is given it.
/// Looks at shapes alone.
template <some_loss L, class T, class Teacher>
[[nodiscard]] index fused_linear_room(const L&, const linear_head<const T>& student, const Teacher& teacher) {
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

struct fused_ids {};
struct fused_samples {};
struct fused_labels {};
struct fused_scores {};
struct fused_weights {};

/// The rows that count, and what belongs to them moved together.
template <class T>
class counted_rows {
 public:
  counted_rows(const linear_head<const T>& student, const targets<T>& given, const sink<T, cpu>& out)
      : given_(given),
        id_(thread_scratch<fused_ids, std::int32_t>(student.hidden.extent(0))),
        sample_(thread_scratch<fused_samples, std::int32_t>(student.hidden.extent(0))) {
    for (index i = 0; i < student.hidden.extent(0); ++i) {
      const std::int32_t sample = student.row_sample.empty() ? static_cast<std::int32_t>(i) : student.row_sample(i);
      const bool masked = !given.row_weight.empty() && given.row_weight(i) == T(0);
      if (masked || (!out.weight.empty() && out.weight(sample) == T(0))) continue;
      id_[count_] = static_cast<std::int32_t>(i);
      sample_[count_++] = sample;
    }
  }
  [[nodiscard]] index count() const { return count_; }
  [[nodiscard]] view<const std::int32_t, 1> ids(index first, index count) const {
    return view<const std::int32_t, 1>(id_ + first, count);
  }
  [[nodiscard]] view<const std::int32_t, 1> samples(index first, index count) const {
    return view<const std::int32_t, 1>(sample_ + first, count);
  }
  [[nodiscard]] targets<T> given(index first, index count) const {
    return {moved<fused_labels>(given_.labels, first, count), moved<fused_scores>(given_.scores, first, count),
            moved<fused_weights>(given_.row_weight, first, count)};
  }

 private:
  template <class Tag, class X>
  [[nodiscard]] view<const X, 1> moved(const view<const X, 1>& all, index first, index count) const {
    if (all.empty()) return {};
    X* to = thread_scratch<Tag, X>(count);
    for (index i = 0; i < count; ++i) to[i] = all(id_[first + i]);
    return view<const X, 1>(to, count);
  }

  targets<T> given_;
  std::int32_t *id_, *sample_;
  index count_ = 0;
};

/// A caller's workspace, taken piece by piece.
template <class T>
class pieces_of {
 public:
  explicit pieces_of(const view<T, 1>& all) : next_(all.data()) {}
  [[nodiscard]] view<T, 2> matrix(index rows, index columns) {
    T* const begin = next_;
    next_ += rows * columns;
    return view<T, 2>(begin, rows, columns);
  }

 private:
  T* next_;
};

[[nodiscard]] inline bool follow_each_other(const view<const std::int32_t, 1>& ids) {
  return ids(ids.extent(0) - 1) - ids(0) == ids.extent(0) - 1;
}
/// The rows that ids names, where they are if they follow each other, otherwise gathered into `room`.
template <class E, class T>
[[nodiscard]] view<const T, 2> rows_at(const E& on, const view<const T, 2>& all, const view<const std::int32_t, 1>& ids,
                                       const view<T, 2>& room) {
  if (follow_each_other(ids)) return row_block(all, ids(0), ids.extent(0));
  ops::gather_rows(on, all, ids, room);
  return read_only(room);
}

/// A head's valid part.
template <class T>
[[nodiscard]] linear_head<T> valid_part(const linear_head<T>& head, index classes) {
  linear_head<T> part = head;
  if (!head.weight.empty()) part.weight = row_block(head.weight, 0, classes);
  if (!head.bias.empty()) part.bias = view<T, 1>(head.bias.data(), {{classes}}, {{head.bias.stride(0)}});
  return part;
}

/// The teacher's logits of a slice: of its own linear map, or those that are there. Empty without a teacher.
template <class E, class T>
[[nodiscard]] view<const T, 2> logits_of_slice(const E& on, const linear_head<const T>& teacher,
                                               const view<const std::int32_t, 1>& ids, index classes,
                                               pieces_of<T>& room) {
  if (teacher.hidden.empty()) return {};
  const view<T, 2> z = room.matrix(ids.extent(0), classes);
  const linear_head<const T> part = valid_part(teacher, classes);
  ops::linear(on, rows_at(on, part.hidden, ids, room.matrix(ids.extent(0), part.hidden.extent(1))), part.weight,
              part.bias, z);
  return read_only(z);
}
template <class E, class T, class U>
[[nodiscard]] view<const T, 2> logits_of_slice(const E&, const signals<const U>& teacher,
                                               const view<const std::int32_t, 1>& ids, index classes,
                                               pieces_of<T>& room) {
  if (teacher.logits.empty()) return {};
  const view<T, 2> z = room.matrix(ids.extent(0), classes);
  for (index i = 0; i < ids.extent(0); ++i)
    for (index c = 0; c < classes; ++c) z(i, c) = static_cast<T>(teacher.logits(ids(i), c));
  return read_only(z);
}

template <class T>
void expects_head(const char* whose, const linear_head<const T>& head, index classes) {
  expects(head.hidden.extent(1) == head.weight.extent(1), [&] {
    return message("fused_linear: ", whose, " hidden ", shape_text(head.hidden), " for weight ",
                   shape_text(head.weight));
  });
  expects(head.weight.extent(0) >= classes && (head.bias.empty() || head.bias.extent(0) >= classes), [&] {
    return message("fused_linear: ", whose, " weight ", shape_text(head.weight), " and bias ", shape_text(head.bias),
                   " for ", classes, " classes");
  });
}
template <class T>
void expects_teacher(const linear_head<const T>& teacher, index rows, index classes) {
  if (teacher.hidden.empty()) return;
  expects_head("teacher's", teacher, classes);
  expects(teacher.hidden.extent(0) == rows, [&] {
    return message("fused_linear: teacher's hidden ", shape_text(teacher.hidden), " for ", rows, " rows");
  });
}
template <class U>
void expects_teacher(const signals<const U>& teacher, index rows, index classes) {
  expects(teacher.logits.empty() || (teacher.logits.extent(0) == rows && teacher.logits.extent(1) >= classes), [&] {
    return message("fused_linear: teacher's logits ", shape_text(teacher.logits), " for ", rows, " rows of ", classes,
                   " classes");
  });
}
template <class T>
void expects_gradient(const linear_head<T>& gradient, const linear_head<const T>& student) {
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
/// Logits exist for as many rows at one time as the workspace holds, in it; values and gradients of the logits have the
/// same bits for every size of it that the matrix product has. Rows of weight 0 are left out of all products, so a
/// masked prompt costs nothing; columns behind valid_classes too. teacher: a linear head of its own width, or signals
/// with logits [rows, classes], or `signals<const T>{}` for a loss that reads labels. Allocates a few numbers a row,
/// once. Throws contract_error where shapes do not fit or the workspace holds not one row (fused_linear_room() numbers
/// each).
template <some_loss L, executor E, class T, class Teacher>
void fused_linear(const L& loss, const E& on, const linear_head<const T>& student, const Teacher& teacher,
                  const targets<T>& given, const sink<T, cpu>& out, const linear_head<T>& gradient,
                  view<T, 1> workspace) {
  static_assert(!writes_in_place<L> || writes_gradient<L, E, T, T, T, T>,
                "fused_linear: a loss that says in_place must take gradient_holds");
  static_assert(!is_batch_loss<L>, "fused_linear: a loss that compares the rows of a batch must see all of them");
  expects(loss.reads == signal::logits, "fused_linear: the loss reads more than logits");
  const index classes = student.valid_classes > 0 ? student.valid_classes : student.weight.extent(0);
  const index width = student.weight.extent(1), rows = student.hidden.extent(0);
  detail::expects_head("student's", student, classes);
  detail::expects_teacher(teacher, rows, classes);
  detail::expects_gradient(gradient, student);
  const index a_row = fused_linear_room(loss, student, teacher), slice = workspace.count() / a_row;
  expects(slice > 0,
          [&] { return message("fused_linear: a workspace of ", workspace.count(), " numbers, a row needs ", a_row); });

  const detail::counted_rows<T> counted(student, given, out);
  const linear_head<const T> head = detail::valid_part(student, classes);
  const linear_head<T> wanted = detail::valid_part(gradient, classes);
  const bool any = !wanted.hidden.empty() || !wanted.weight.empty() || !wanted.bias.empty();
  for (index first = 0; first < counted.count(); first += slice) {
    const index count = std::min(slice, counted.count() - first);
    const view<const std::int32_t, 1> ids = counted.ids(first, count);
    detail::pieces_of<T> room(workspace);
    const view<const T, 2> hidden = detail::rows_at(on, head.hidden, ids, room.matrix(count, width));
    const view<T, 2> logits = room.matrix(count, classes);
    const view<T, 2> dlogits = takes_place_of_logits<L>(classes) ? logits : room.matrix(count, classes);
    ops::linear(on, hidden, head.weight, head.bias, logits);
    sink<T, cpu> here = out;
    here.gradient = {};
    if (any) here.gradient.logits = dlogits;
    const signals<const T> seen{.logits = read_only(logits), .row_sample = counted.samples(first, count)};
    const signals<const T> shown{.logits = detail::logits_of_slice(on, teacher, ids, classes, room),
                                 .row_sample = seen.row_sample};
    write_gradient(loss, on, seen, shown, counted.given(first, count), here);
    if (!any) continue;
    const bool in_place = detail::follow_each_other(ids);
    const view<T, 2> dhidden = wanted.hidden.empty() ? view<T, 2>()
                               : in_place            ? row_block(wanted.hidden, ids(0), count)
                                                     : room.matrix(count, width);
    ops::linear_backward(on, hidden, head.weight, read_only(dlogits), wanted.weight, wanted.bias, dhidden, in_place);
    if (!dhidden.empty() && !in_place) ops::scatter_rows(on, read_only(dhidden), ids, wanted.hidden);
  }
}

}  // namespace limbeck
