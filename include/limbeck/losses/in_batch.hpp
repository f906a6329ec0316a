// Dense retrieval from late interaction: the dot products of a batch's queries and passages, each query with all
// passages.
#pragma once

#include <string>

#include "limbeck/losses/fused_linear.hpp"
#include "limbeck/ops/maxsim.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/in_batch_cuda.hpp"
#else
#include "limbeck/losses/in_batch_cpu.hpp"
#endif

namespace limbeck {

/// Texts that are one vector each. Also the shape of their gradients, where an empty member is not wanted.
template <class T, backend B = cpu>
struct text_vectors {
  view<T, 2, B> queries{}, passages{};  ///< [queries, width], [passages, width]
};

/// A teacher that compares texts token by token, by ops::maxsim.
template <class T, backend B = cpu>
struct late_interaction {
  ops::token_vectors<const T, B> queries{}, passages{};
  double temperature = 1;  ///< divides its scores; the student's dot products are taken as they are
};

/// The numbers that in_batch_maxsim() needs.
template <class T, backend B>
[[nodiscard]] index in_batch_room(const text_vectors<const T, B>& student) {
  const index queries = student.queries.extent(0), passages = student.passages.extent(0);
  return queries * (1 + passages + fused_linear_room(linear_head<const T, B>{student.queries, student.passages}));
}

namespace detail {

template <class T, backend B>
void expects_in_batch(const text_vectors<const T, B>& student, const late_interaction<T, B>& teacher,
                      const targets<T, B>& given, index workspace) {
  const index queries = student.queries.extent(0), passages = student.passages.extent(0);
  expects(queries == teacher.queries.rows.extent(0) && passages == teacher.passages.rows.extent(0), [&] {
    return message("in_batch_maxsim: the student has ", queries, " queries and ", passages, " passages, the teacher ",
                   teacher.queries.rows.extent(0), " and ", teacher.passages.rows.extent(0));
  });
  expects(teacher.temperature > 0, [&] {
    return message("in_batch_maxsim: the teacher's temperature ", teacher.temperature, ", must be positive");
  });
  const auto expects_each = [&](const char* what, index count) {
    expects(count == queries,
            [&] { return message("in_batch_maxsim: ", count, " ", what, " for ", queries, " queries"); });
  };
  if (!given.labels.empty()) expects_each("labels", given.labels.extent(0));
  if (!given.row_weight.empty()) expects_each("row weights", given.row_weight.extent(0));
  expects(workspace >= in_batch_room(student), [&] {
    return message("in_batch_maxsim: a workspace of ", workspace, " numbers, ", in_batch_room(student), " are needed");
  });
}

}  // namespace detail

/// Calls a loss on class scores with a row for each query and a class for each passage of the batch: the student's are
/// dot products, the teacher's are maxsim scores divided by its temperature. With soft_target_kl that is TCT-ColBERT's
/// distillation (Lin et al. 2020, arXiv:2010.11386, section 3.2); labels, the number of each query's own passage, let a
/// cross_entropy join. value, weights and counts are out's, whose own gradients stay empty: a sample is a query.
/// Queries of weight 0 and those without a token are skipped; a passage without one has no share of the teacher's
/// distribution. Gradients with respect to the student's vectors are added to `gradient`. Works in `workspace`,
/// in_batch_room() numbers. Throws contract_error where shapes do not fit.
template <some_loss L, launchable E, class T, backend B = backend_of<E>>
void in_batch_maxsim(const L& loss, const E& on, const text_vectors<const T, B>& student,
                     const late_interaction<T, B>& teacher, const targets<T, B>& given, const sink<T, B>& out,
                     const text_vectors<T, B>& gradient, const view<T, 1, B>& workspace) {
  detail::expects_in_batch(student, teacher, given, workspace.count());
  const index queries = student.queries.extent(0), passages = student.passages.extent(0);
  if (queries == 0 || passages == 0) return;
  detail::pieces_of<T, B> room(workspace);
  const view<T, 2, B> scores = room.matrix(queries, passages), weights = room.matrix(1, queries);
  ops::maxsim(on, teacher.queries, teacher.passages, scores);
  detail::soften_scores(B{}, on, scores, teacher.temperature, given.row_weight, weights);
  targets<T, B> counted = given;
  counted.row_weight = view<const T, 1, B>(weights.data(), queries);
  const index taken = queries * (1 + passages);
  fused_linear(loss, on, linear_head<const T, B>{student.queries, student.passages},
               signals<const T, B>{.logits = read_only(scores)}, counted, out,
               linear_head<T, B>{gradient.queries, gradient.passages},
               view<T, 1, B>(workspace.data() + taken, workspace.count() - taken));
}

}  // namespace limbeck
