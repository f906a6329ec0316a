// Runs the worked cases of ranking by dot products of a batch against late interaction, in the one place that a test
// has.
#pragma once

#include <vector>

#include "golden/golden_place.hpp"
#include "golden/logit_cases.hpp"
#include "golden/loss_case.hpp"
#include "limbeck/losses/in_batch.hpp"
#include "limbeck/losses/soft_target.hpp"

namespace limbeck_test {

using limbeck::view;

/// Texts [texts, length, width], a vector a token.
template <class A>
struct padded_texts {
  tensor shape_of;
  std::vector<A> numbers;
  std::vector<limbeck::sample_rows> rows;

  explicit padded_texts(const tensor& t) : shape_of(t), numbers(t.as<A>()) {
    const index length = shape_of.shape.at(1);
    for (index i = 0; i < shape_of.shape[0]; ++i) rows.push_back({i * length, length, length});
  }
  [[nodiscard]] limbeck::ops::token_vectors<const A, golden_backend> in(golden_place& where) const {
    return {view<const A, 2, golden_backend>(where.bring(numbers), shape_of.rows(), shape_of.columns()),
            view<const limbeck::sample_rows, 1, golden_backend>(where.bring(rows), rows.size())};
  }
};

struct dots_of_a_batch {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    using B = golden_backend;
    golden_place where;
    const tensor q = c.input("student_q"), d = c.input("student_d");
    const auto queries = q.as<A>(), passages = d.as<A>();
    const padded_texts<A> teacher_queries(c.input("teacher_q")), teacher_passages(c.input("teacher_d"));
    std::vector<A> dqueries(queries.size()), dpassages(passages.size()), value(static_cast<std::size_t>(q.rows()));
    const limbeck::text_vectors<const A, B> student{view<const A, 2, B>(where.bring(queries), q.rows(), q.columns()),
                                                    view<const A, 2, B>(where.bring(passages), d.rows(), d.columns())};
    std::vector<A> room(static_cast<std::size_t>(limbeck::in_batch_room(student)));
    limbeck::sink<A, B> out{.value = view<A, 1, B>(where.bring(value), value.size())};
    out.per.rows = ranking_queries(c, q.rows());
    limbeck::in_batch_maxsim(
        limbeck::soft_target_kl{}, where.executor, student,
        limbeck::late_interaction<A, B>{teacher_queries.in(where), teacher_passages.in(where), c.param("tau")},
        limbeck::targets<A, B>{}, out,
        limbeck::text_vectors<A, B>{view<A, 2, B>(where.bring(dqueries), q.rows(), q.columns()),
                                    view<A, 2, B>(where.bring(dpassages), d.rows(), d.columns())},
        view<A, 1, B>(where.bring(room), room.size()));
    where.bring_back();
    double sum = 0;
    for (const A v : value) sum += static_cast<double>(v);
    return {sum, {{"student_q", tensor(q.shape, dqueries)}, {"student_d", tensor(d.shape, dpassages)}}};
  }
};

[[maybe_unused]] inline const bool ranking_known = runs_loss("tct_inbatch", dots_of_a_batch{});

}  // namespace limbeck_test
