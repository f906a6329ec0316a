// Losses on class scores that are products of vectors, made up: the fused linear map, and queries against the passages
// of their batch.
#pragma once

#include <vector>

#include "limbeck/losses/fused_linear.hpp"
#include "limbeck/losses/in_batch.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "losses/batch.hpp"

namespace limbeck_bench {

/// Forward KL of logits left * right' against a teacher's, which are stored as U; gradients of both.
template <class U, class A>
struct fused_linear_kl {
  index rows, classes, width;
  limbeck::buffer<A> left, right, left_gradient, right_gradient, value, room;
  limbeck::buffer<U> teacher;

  fused_linear_kl(index row_count, index class_count, index columns, index rows_at_once)
      : rows(row_count),
        classes(class_count),
        width(columns),
        left(centred<A>(rows * width, 2, 1)),
        right(centred<A>(classes * width, 3 / std::sqrt(static_cast<double>(width)), 2)),
        left_gradient(left.count()),
        right_gradient(right.count()),
        value(rows),
        room(rows_at_once * (3 * classes + 2 * width)),
        teacher(centred<U>(rows * classes, 4, 3)) {}

  /// The numbers of another.
  template <class Other>
  void take(const Other& other) {
    take_over(left, other.left);
    take_over(right, other.right);
    take_over(teacher, other.teacher);
  }
  template <class E>
  void run(const E& on) {
    const limbeck::linear_head<const A> student{view<const A, 2>(left.data(), rows, width),
                                                view<const A, 2>(right.data(), classes, width)};
    const limbeck::linear_head<A> gradient{view<A, 2>(left_gradient.data(), rows, width),
                                           view<A, 2>(right_gradient.data(), classes, width)};
    const limbeck::signals<const U> shown{.logits = view<const U, 2>(teacher.data(), rows, classes)};
    limbeck::fused_linear(limbeck::soft_target_kl{.temperature = 2}, on, student, shown, limbeck::targets<A>{},
                          limbeck::sink<A, limbeck::cpu>{.value = value.all()}, gradient, room.all());
  }
  /// Three products; the teacher's logits.
  [[nodiscard]] work done() const {
    const double heads = static_cast<double>((rows + classes) * width);
    return {.read = heads * sizeof(A) + static_cast<double>(teacher.count()) * sizeof(U),
            .updated = heads * sizeof(A),
            .flops = 6 * static_cast<double>(rows * classes * width),
            .elements = static_cast<double>(rows * classes)};
  }
};

/// Forward KL of the dot products of queries (left) and passages (right) against maxsim of their tokens.
template <class A>
struct in_batch_kl {
  index queries, passages, width;
  limbeck::buffer<A> left, right, left_gradient, right_gradient, value, room, query_tokens, passage_tokens;
  std::vector<limbeck::sample_rows> query_rows{}, passage_rows{};

  in_batch_kl(index query_count, index passage_count, index query_length, index passage_length, index columns)
      : queries(query_count),
        passages(passage_count),
        width(columns),
        left(centred<A>(queries * width, 1, 1)),
        right(centred<A>(passages * width, 1, 2)),
        left_gradient(left.count()),
        right_gradient(right.count()),
        value(queries),
        room(limbeck::in_batch_room(student())),
        query_tokens(centred<A>(queries * query_length * width, 0.3, 3)),
        passage_tokens(centred<A>(passages * passage_length * width, 0.3, 4)) {
    for (index i = 0; i < queries; ++i) query_rows.push_back({i * query_length, query_length, query_length});
    for (index i = 0; i < passages; ++i) passage_rows.push_back({i * passage_length, passage_length, passage_length});
  }

  template <class Other>
  void take(const Other& other) {
    take_over(left, other.left);
    take_over(right, other.right);
    take_over(query_tokens, other.query_tokens);
    take_over(passage_tokens, other.passage_tokens);
  }
  template <class E>
  void run(const E& on) {
    const limbeck::late_interaction<A> teacher{tokens(query_tokens, query_rows), tokens(passage_tokens, passage_rows),
                                               2};
    limbeck::in_batch_maxsim(limbeck::soft_target_kl{}, on, student(), teacher, limbeck::targets<A>{},
                             limbeck::sink<A, limbeck::cpu>{.value = value.all()},
                             limbeck::text_vectors<A>{view<A, 2>(left_gradient.data(), queries, width),
                                                      view<A, 2>(right_gradient.data(), passages, width)},
                             room.all());
  }
  /// The products of all tokens of queries with all of passages, and three of the vectors.
  [[nodiscard]] work done() const {
    const double tokens = static_cast<double>(query_tokens.count() + passage_tokens.count());
    const double vectors = static_cast<double>(left.count() + right.count());
    return {
        .read = (tokens + vectors) * sizeof(A),
        .updated = vectors * sizeof(A),
        .flops = 2 * static_cast<double>(query_tokens.count()) * static_cast<double>(passage_tokens.count() / width) +
                 6 * static_cast<double>(queries * passages * width),
        .elements = static_cast<double>(queries * passages)};
  }

 private:
  [[nodiscard]] limbeck::text_vectors<const A> student() const {
    return {view<const A, 2>(left.data(), queries, width), view<const A, 2>(right.data(), passages, width)};
  }
  [[nodiscard]] limbeck::ops::token_vectors<const A> tokens(const limbeck::buffer<A>& of,
                                                            const std::vector<limbeck::sample_rows>& rows) const {
    return {view<const A, 2>(of.data(), of.count() / width, width),
            view<const limbeck::sample_rows, 1>(rows.data(), static_cast<index>(rows.size()))};
  }
};

}  // namespace limbeck_bench
