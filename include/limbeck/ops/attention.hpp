// Scaled dot-product attention over packed or padded samples, forward and backward.
#pragma once

#include "limbeck/core/executors.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/core/view.hpp"
#if defined(__CUDACC__)
#include "limbeck/ops/attention_cuda.hpp"
#else
#include "limbeck/ops/attention_cpu.hpp"
#endif

namespace limbeck::ops {

/// context = dropout(softmax(q k' / sqrt(width of a head))) v, head by head, within each sample (Vaswani et al. 2017,
/// arXiv:1706.03762, 3.2.1). q, k, v, context: [tokens, width], head h in columns h * d .. (h + 1) * d; log_sum
/// [tokens, heads] receives each row's log of the softmax's denominator, for the backward pass. Works on blocks of
/// query rows: no length x length memory is needed unless `scores` (before mask and softmax) or `probabilities`
/// (before dropout) are not empty and keep the maps. A row without a key gives 0. `v`, context and log_sum empty: the
/// maps alone are wanted. `queries` not empty: q, context and
/// log_sum hold only the first queries(i).length rows of each sample, at queries(i).begin.
template <launchable E, class T, backend B = backend_of<E>>
void attention(const E& on, const attention_shape& shape, view<const sample_rows, 1, B> rows, view<const T, 2, B> q,
               view<const T, 2, B> k, view<const T, 2, B> v, view<T, 2, B> context, view<T, 2, B> log_sum,
               const square_blocks<T, B>& scores, const square_blocks<T, B>& probabilities,
               view<const sample_rows, 1, B> queries = {}) {
  shape.check(q.extent(1));
  expects(v.empty() == context.empty() && v.empty() == log_sum.empty(),
          "attention: values, context and log_sum are all there, or none is");
  detail::attention_forward(B{}, on, shape, detail::attention_rows<B>{rows, queries},
                            detail::attention_input<T, B>{q, k, v}, context, log_sum, scores, probabilities);
}

/// What flows back through attention(): dq, dk, dv are written at the samples' rows, from d context and, where not
/// empty, from what a loss wants of scores and probabilities. Probabilities are computed again from q, k and log_sum.
template <launchable E, class T, backend B = backend_of<E>>
void attention_backward(const E& on, const attention_shape& shape, view<const sample_rows, 1, B> rows,
                        view<const T, 2, B> q, view<const T, 2, B> k, view<const T, 2, B> v,
                        view<const T, 2, B> log_sum, view<const T, 2, B> dcontext,
                        const square_blocks<const T, B>& dscores, const square_blocks<const T, B>& dprobabilities,
                        view<T, 2, B> dq, view<T, 2, B> dk, view<T, 2, B> dv,
                        view<const sample_rows, 1, B> queries = {}) {
  shape.check(q.extent(1));
  detail::attention_backward_samples(B{}, on, shape, detail::attention_rows<B>{rows, queries},
                                     detail::attention_input<T, B>{q, k, v}, log_sum, dcontext, dscores, dprobabilities,
                                     detail::attention_gradient<T, B>{dq, dk, dv});
}

}  // namespace limbeck::ops
