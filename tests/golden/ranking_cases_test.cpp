// The worked cases of ranking by dot products of a batch against late interaction.
#include <cstdint>

#include "golden/logit_cases.hpp"
#include "golden/loss_case.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/losses/in_batch.hpp"
#include "limbeck/losses/soft_target.hpp"

namespace {

using limbeck::index;
using limbeck::view;
using limbeck_test::loss_case;
using limbeck_test::loss_outcome;
using limbeck_test::tensor;

// Texts [texts, length, width], a vector a token.
template <class A>
struct padded_texts {
  tensor shape_of;
  std::vector<A> numbers;
  std::vector<limbeck::sample_rows> rows;

  explicit padded_texts(const tensor& t) : shape_of(t), numbers(t.as<A>()) {
    const index length = shape_of.shape.at(1);
    for (index i = 0; i < shape_of.shape[0]; ++i) rows.push_back({i * length, length, length});
  }
  [[nodiscard]] limbeck::ops::token_vectors<const A> seen() const {
    return {view<const A, 2>(numbers.data(), shape_of.rows(), shape_of.columns()),
            view<const limbeck::sample_rows, 1>(rows.data(), rows.size())};
  }
};

struct dots_of_a_batch {
  template <class A>
  loss_outcome operator()(const loss_case& c, A) const {
    const tensor q = c.input("student_q"), d = c.input("student_d");
    const auto queries = q.as<A>(), passages = d.as<A>();
    const padded_texts<A> teacher_queries(c.input("teacher_q")), teacher_passages(c.input("teacher_d"));
    std::vector<A> dqueries(queries.size()), dpassages(passages.size()), value(static_cast<std::size_t>(q.rows()));
    const limbeck::text_vectors<const A> student{view<const A, 2>(queries.data(), q.rows(), q.columns()),
                                                 view<const A, 2>(passages.data(), d.rows(), d.columns())};
    std::vector<A> room(static_cast<std::size_t>(limbeck::in_batch_room(student)));
    limbeck::sink<A, limbeck::cpu> out{.value = view<A, 1>(value.data(), value.size())};
    out.per.rows = limbeck_test::ranking_queries(c, q.rows());
    limbeck::in_batch_maxsim(
        limbeck::soft_target_kl{}, limbeck::cpu_executor<>{}, student,
        limbeck::late_interaction<A>{teacher_queries.seen(), teacher_passages.seen(), c.param("tau")},
        limbeck::targets<A>{}, out,
        limbeck::text_vectors<A>{view<A, 2>(dqueries.data(), q.rows(), q.columns()),
                                 view<A, 2>(dpassages.data(), d.rows(), d.columns())},
        view<A, 1>(room.data(), room.size()));
    double sum = 0;
    for (const A v : value) sum += static_cast<double>(v);
    return {sum, {{"student_q", tensor(q.shape, dqueries)}, {"student_d", tensor(d.shape, dpassages)}}};
  }
};

const bool ranking_known = limbeck_test::runs_loss("tct_inbatch", dots_of_a_batch{});

}  // namespace
