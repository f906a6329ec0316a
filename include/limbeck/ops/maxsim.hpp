// How well passages answer queries, token by token: late interaction.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>

#include "limbeck/core/executors.hpp"
#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/ops/matmul.hpp"
#include "limbeck/ops/token_vectors.hpp"
#if defined(__CUDACC__)
#include "limbeck/ops/maxsim_cuda.hpp"
#else
#include "limbeck/ops/maxsim_cpu.hpp"
#endif

namespace limbeck::ops {
namespace detail {

template <class T, backend B>
void expects_texts(const char* whose, const token_vectors<const T, B>& texts) {
  expects_unit_stride(whose, texts.vectors);
  const index tokens = texts.vectors.extent(0);
  expects(texts.mask.empty() || texts.mask.extent(0) == tokens,
          [&] { return message("maxsim: a mask of ", texts.mask.extent(0), " for ", tokens, " tokens of ", whose); });
  if constexpr (std::same_as<B, cpu>)
    for (index i = 0; i < texts.rows.extent(0); ++i) {
      const sample_rows& s = texts.rows(i);
      expects(s.begin >= 0 && s.length >= 0 && s.begin + s.length <= tokens, [&] {
        return message("maxsim: number ", i, " of ", whose, " has tokens ", s.begin, " to ", s.begin + s.length, " of ",
                       tokens);
      });
    }
}
template <class T, backend B>
void expects_maxsim(const token_vectors<const T, B>& queries, const token_vectors<const T, B>& passages,
                    const view<const T, 2, B>& scores, const view<const std::int32_t, 2, B>& best) {
  expects_texts("the queries", queries);
  expects_texts("the passages", passages);
  expects(queries.vectors.extent(1) == passages.vectors.extent(1), [&] {
    return message("maxsim: vectors of queries ", shape_text(queries.vectors), ", of passages ",
                   shape_text(passages.vectors));
  });
  expects(scores.extent(0) == queries.rows.extent(0) && scores.extent(1) == passages.rows.extent(0), [&] {
    return message("maxsim: scores ", shape_text(scores), " for ", queries.rows.extent(0), " queries and ",
                   passages.rows.extent(0), " passages");
  });
  expects(best.empty() || (best.extent(0) == queries.vectors.extent(0) && best.extent(1) == scores.extent(1)), [&] {
    return message("maxsim: best tokens ", shape_text(best), " for ", queries.vectors.extent(0), " tokens and ",
                   scores.extent(1), " passages");
  });
}

}  // namespace detail

/// scores(q, p) = the sum over the tokens of query q of the largest dot product with a token of passage p (ColBERT,
/// Khattab and Zaharia 2020, arXiv:2004.12832, section 3.3); -infinity where either has no token that counts. Tokens
/// that do not count are not looked at. scores: [queries, passages]; best [tokens of queries, passages] keeps for
/// maxsim_backward() which token it was, the first of equal ones; may be empty. On the host products are the executor's
/// provider's. Throws contract_error where shapes do not fit or a text lies outside of its tokens (a device's texts are
/// not looked at).
template <launchable E, class T, backend B = backend_of<E>>
void maxsim(const E& on, const token_vectors<const T, B>& queries, const token_vectors<const T, B>& passages,
            const view<T, 2, B>& scores, const view<std::int32_t, 2, B>& best = {}) {
  detail::expects_maxsim(queries, passages, read_only(scores), read_only(best));
  detail::maxsim_forward(on, queries, passages, scores, best);
}

/// What flows back through maxsim(): of each token of a query to the one token of the passage that was best for it, and
/// back. dqueries, dpassages: as the vectors, are added to; either may be empty.
template <launchable E, class T, backend B = backend_of<E>>
void maxsim_backward(const E& on, const token_vectors<const T, B>& queries, const token_vectors<const T, B>& passages,
                     const view<const std::int32_t, 2, B>& best, const view<const T, 2, B>& dscores,
                     const view<T, 2, B>& dqueries, const view<T, 2, B>& dpassages) {
  expects(!best.empty(), "maxsim_backward: the best tokens were not kept");
  detail::expects_maxsim(queries, passages, dscores, best);
  if (!dqueries.empty()) expects_one_shape("maxsim_backward", dqueries, queries.vectors);
  if (!dpassages.empty()) expects_one_shape("maxsim_backward", dpassages, passages.vectors);
  detail::maxsim_to_queries(on, queries, passages, best, dscores, dqueries);
  detail::maxsim_to_passages(on, queries, passages, best, dscores, dpassages);
}

}  // namespace limbeck::ops
