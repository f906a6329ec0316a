// Two batches of logits side by side with all that weighs a row: what the kernels of losses on class scores take.
#pragma once

#include <string>

#include "limbeck/losses/loss_policy.hpp"

namespace limbeck::detail {

/// S, U: what student and teacher store; A: what sums are computed in; G: how gradients are stored. A loss without a
/// teacher leaves `teacher` empty.
template <class S, class U, class A, backend B, class G>
struct logit_rows {
  using gradient_type = G;
  view<const S, 2, B> student{};
  view<const U, 2, B> teacher{};
  view<const std::int32_t, 1, B> row_sample{};
  view<const A, 1, B> row_weight{}, sample_weight{};
  view<A, 1, B> values{};
  view<G, 2, B> gradients{};
  index classes = 0;  ///< those that count; columns behind them are never touched
  A scale = 1;
  bool fresh = false;  ///< the gradients hold anything: they are written, not added to

  [[nodiscard]] LIMBECK_HD index count() const { return student.extent(0); }
  [[nodiscard]] LIMBECK_HD index sample(index row) const { return row_sample.empty() ? row : row_sample(row); }
  /// What the row's loss is multiplied by. 0: the row is skipped, so that garbage there cannot leak.
  [[nodiscard]] LIMBECK_HD A factor(index row) const {
    const A of_row = row_weight.empty() ? A(1) : row_weight(row);
    const A of_sample = sample_weight.empty() ? A(1) : sample_weight(sample(row));
    return of_row == A(0) || of_sample == A(0) ? A(0) : scale * of_sample * of_row;
  }
};

/// Throws contract_error unless `extent` is `rows`.
inline void expects_rows(const char* loss, const char* what, index extent, index rows) {
  expects(extent == rows, [&] { return message(loss, " ", what, ": ", extent, " for ", rows, " rows"); });
}

/// Throws contract_error unless every row names a sample that there is a value for, and rows of one sample follow each
/// other. The device's samples are not looked at.
template <class S, class U, class A, class G>
void expects_row_samples(const char* loss, const logit_rows<S, U, A, cpu, G>& rows, index samples) {
  for (index i = 0, before = 0; i < rows.row_sample.extent(0); before = rows.row_sample(i++))
    expects(rows.row_sample(i) >= before && (samples == 0 || rows.row_sample(i) < samples), [&] {
      return message(loss, " row_sample: row ", i, " belongs to sample ", rows.row_sample(i), " after ", before,
                     ", of ", samples, " samples; they must not decrease");
    });
}
template <class S, class U, class A, class G>
void expects_row_samples(const char*, const logit_rows<S, U, A, cuda, G>&, index) {}

/// The rows of a loss on the student's logits alone. Throws contract_error, naming `loss`, where shapes disagree.
template <class S, class U, class A, backend B, class G>
[[nodiscard]] logit_rows<S, U, A, B, G> rows_of(const char* loss, const signals<const S, B>& student,
                                                const targets<A, B>& given, const sink<A, B, G>& out, double factor) {
  const index count = student.logits.extent(0), columns = student.logits.extent(1);
  expects(columns > 0, [&] { return message(loss, ": the student has no logits"); });
  logit_rows<S, U, A, B, G> rows{student.logits,
                                 {},
                                 student.row_sample,
                                 given.row_weight,
                                 out.weight,
                                 out.value,
                                 out.gradient.logits,
                                 valid_classes(student),
                                 static_cast<A>(factor * out.scale)};
  expects(rows.classes <= columns,
          [&] { return message(loss, " logits: ", rows.classes, " valid classes of ", columns, " columns"); });
  if (!rows.row_sample.empty()) expects_rows(loss, "row_sample", rows.row_sample.extent(0), count);
  if (!rows.row_weight.empty()) expects_rows(loss, "row_weight", rows.row_weight.extent(0), count);
  if (!rows.gradients.empty()) {
    expects_rows(loss, "gradient", rows.gradients.extent(0), count);
    expects(rows.gradients.extent(1) >= rows.classes, [&] {
      return message(loss, " gradient: ", rows.gradients.extent(1), " columns for ", rows.classes, " classes");
    });
  }
  const index samples = !rows.values.empty() ? rows.values.extent(0) : rows.sample_weight.extent(0);
  if (!rows.values.empty() && !rows.sample_weight.empty())
    expects(rows.sample_weight.extent(0) == samples,
            [&] { return message(loss, " weight: ", rows.sample_weight.extent(0), " for ", samples, " samples"); });
  if (rows.row_sample.empty() && (!rows.values.empty() || !rows.sample_weight.empty()))
    expects_rows(loss, "value", samples, count);
  expects_row_samples(loss, rows, samples);
  return rows;
}

/// The rows of a loss that compares two models' logits: as many rows and valid classes in both; the numbers of columns
/// may differ.
template <class S, class U, class A, backend B, class G>
[[nodiscard]] logit_rows<S, U, A, B, G> rows_of_both(const char* loss, const signals<const S, B>& student,
                                                     const signals<const U, B>& teacher, const targets<A, B>& given,
                                                     const sink<A, B, G>& out, double factor) {
  if (student.valid_classes == 0 && teacher.valid_classes == 0)
    expects_same_shape(loss, "logits", student.logits, teacher.logits);
  expects(student.logits.extent(0) == teacher.logits.extent(0) && valid_classes(student) == valid_classes(teacher),
          [&] {
            return message(loss, " logits: student ", shape_text(student.logits), " with ", valid_classes(student),
                           " valid classes, teacher ", shape_text(teacher.logits), " with ", valid_classes(teacher));
          });
  expects(valid_classes(teacher) <= teacher.logits.extent(1), [&] {
    return message(loss, " logits: ", valid_classes(teacher), " valid classes of ", teacher.logits.extent(1),
                   " columns of the teacher");
  });
  auto rows = rows_of<S, U, A, B, G>(loss, student, given, out, factor);
  rows.teacher = teacher.logits;
  return rows;
}

/// Zeros in the columns begin .. end of a row.
template <class G>
void clear_row(const view<G, 2>& gradients, index row, index begin, index end) {
  for (index c = begin; c < end; ++c) gradients(row, c) = G(0.0F);
}

/// The rows with gradients that hold what `before` says. In columns that do not count zeros are written, on the host at
/// once. To be called when all else is known to fit.
template <class S, class U, class A, class G>
[[nodiscard]] logit_rows<S, U, A, cpu, G> with_gradient(logit_rows<S, U, A, cpu, G> rows, gradient_holds before) {
  rows.fresh = before == gradient_holds::anything && !rows.gradients.empty();
  for (index i = 0; rows.fresh && i < rows.count(); ++i)
    clear_row(rows.gradients, i, rows.classes, rows.gradients.extent(1));
  return rows;
}
template <class S, class U, class A, class G>
[[nodiscard]] logit_rows<S, U, A, cuda, G> with_gradient(logit_rows<S, U, A, cuda, G> rows, gradient_holds before) {
  rows.fresh = before == gradient_holds::anything && !rows.gradients.empty();
  return rows;
}

}  // namespace limbeck::detail
