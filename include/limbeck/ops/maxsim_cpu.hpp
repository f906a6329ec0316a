// Late interaction on the host: a product for each query and passage, of which each row's largest counts.
#pragma once

#include <cstdint>
#include <limits>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/ops/matmul_cpu.hpp"
#include "limbeck/ops/token_vectors.hpp"

namespace limbeck::ops::detail {

struct maxsim_scratch {};

/// The passage's token with the largest product, -1 where none counts; the first of equal ones. A NaN is the largest.
template <class T>
[[nodiscard]] index best_token(const token_vectors<const T>& passages, const sample_rows& passage,
                               const view<const T, 2>& products, index row) {
  index best = -1;
  for (index j = 0; j < passage.length; ++j) {
    if (!passages.counts(passage.begin + j)) continue;
    const T x = products(row, j);
    if (best < 0 || x > products(row, best)) best = j;
    if (x != x) return j;
  }
  return best;
}

/// A query's score for a passage. Writes a column of `best` where it is not empty.
template <class Provider, class T>
[[nodiscard]] T maxsim_of(const token_vectors<const T>& queries, const token_vectors<const T>& passages,
                          const sample_rows& query, const sample_rows& passage, const view<T, 2>& products,
                          index column, const view<std::int32_t, 2>& best) {
  multiply_here<Provider>(T(1), row_block(queries.vectors, query.begin, query.length),
                          transposed(row_block(passages.vectors, passage.begin, passage.length)), T(0), products);
  T sum = 0;
  bool any = false;
  for (index i = 0; i < query.length; ++i) {
    const bool counts = queries.counts(query.begin + i);
    const index j = counts ? best_token(passages, passage, read_only(products), i) : -1;
    if (!best.empty()) best(query.begin + i, column) = static_cast<std::int32_t>(j < 0 ? -1 : passage.begin + j);
    if (j < 0) continue;
    sum += products(i, j);
    any = true;
  }
  return any ? sum : -std::numeric_limits<T>::infinity();
}

template <class Provider, class T>
void maxsim_forward(const cpu_executor<Provider>& on, const token_vectors<const T>& queries,
                    const token_vectors<const T>& passages, const view<T, 2>& scores,
                    const view<std::int32_t, 2>& best) {
  parallel_for(on.threads, scores.extent(0), [&](index first, index last) {
    for (index q = first; q < last; ++q)
      for (index p = 0; p < scores.extent(1); ++p) {
        const sample_rows query = queries.rows(q), passage = passages.rows(p);
        T* const room = thread_scratch<maxsim_scratch, T>(query.length * passage.length);
        scores(q, p) = maxsim_of<Provider>(queries, passages, query, passage,
                                           view<T, 2>(room, query.length, passage.length), p, best);
      }
  });
}

/// to += weight * from.
template <class T>
void add_scaled_row(const view<const T, 2>& from, index at, T weight, const view<T, 2>& to, index row) {
  for (index k = 0; k < from.extent(1); ++k) to(row, k) += weight * from(at, k);
}

template <class Provider, class T>
void maxsim_to_queries(const cpu_executor<Provider>& on, const token_vectors<const T>& queries,
                       const token_vectors<const T>& passages, const view<const std::int32_t, 2>& best,
                       const view<const T, 2>& dscores, const view<T, 2>& dqueries) {
  if (dqueries.empty()) return;
  parallel_for(on.threads, dscores.extent(0), [&](index first, index last) {
    for (index q = first; q < last; ++q) {
      const sample_rows query = queries.rows(q);
      for (index i = query.begin; i < query.begin + query.length; ++i)
        for (index p = 0; p < dscores.extent(1); ++p)
          if (best(i, p) >= 0) add_scaled_row(passages.vectors, best(i, p), dscores(q, p), dqueries, i);
    }
  });
}

template <class Provider, class T>
void maxsim_to_passages(const cpu_executor<Provider>& on, const token_vectors<const T>& queries,
                        const token_vectors<const T>&, const view<const std::int32_t, 2>& best,
                        const view<const T, 2>& dscores, const view<T, 2>& dpassages) {
  if (dpassages.empty()) return;
  parallel_for(on.threads, dscores.extent(1), [&](index first, index last) {
    for (index p = first; p < last; ++p)
      for (index q = 0; q < dscores.extent(0); ++q) {
        const sample_rows query = queries.rows(q);
        for (index i = query.begin; i < query.begin + query.length; ++i)
          if (best(i, p) >= 0) add_scaled_row(queries.vectors, i, dscores(q, p), dpassages, best(i, p));
      }
  });
}

}  // namespace limbeck::ops::detail
