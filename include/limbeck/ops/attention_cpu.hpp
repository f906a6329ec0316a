// Attention on the host: a head of a sample at a time, in blocks of query rows that stay in cache.
#pragma once

#include <algorithm>
#include <cmath>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/ops/attention_shape.hpp"
#include "limbeck/ops/dropout_cpu.hpp"
#include "limbeck/ops/matmul_cpu.hpp"
#include "limbeck/ops/softmax_cpu.hpp"

namespace limbeck::ops::detail {

inline constexpr index attention_block = 64;  // query rows whose scores are held at a time

template <class T, backend B>
struct attention_input {
  view<const T, 2, B> q, k, v;
};
template <class T, backend B>
struct attention_gradient {
  view<T, 2, B> dq, dk, dv;
};

/// One head of one sample: its rows and columns of any [tokens, width] matrix.
struct head_of_sample {
  sample_rows rows;
  index sample, head, width;  ///< width: of the head

  template <class T>
  [[nodiscard]] view<T, 2> part(view<T, 2> of, index first, index count) const {
    return column_block(row_block(of, rows.begin + first, count), head * width, width);
  }
};

/// Calls body(head_of_sample) for every head of every sample, on the threads of the call.
template <class Provider, class Body>
void for_each_head(const cpu_executor<Provider>& on, const attention_shape& shape, view<const sample_rows, 1> rows,
                   index width, Body&& body) {
  parallel_each(on.threads, rows.extent(0) * shape.heads, [&](index item) {
    const index sample = item / shape.heads, head = item % shape.heads;
    if (rows(sample).length > 0) body(head_of_sample{rows(sample), sample, head, width / shape.heads});
  });
}

/// Writes the scores of query rows first .. first + block.extent(0) into `block`, [rows, keys].
template <class Provider, class T>
void score_block(const head_of_sample& h, const attention_input<T, cpu>& in, index first, view<T, 2> block) {
  multiply_here<Provider>(static_cast<T>(1 / std::sqrt(static_cast<double>(h.width))),
                          h.part(in.q, first, block.extent(0)), transposed(h.part(in.k, 0, block.extent(1))), T(0),
                          block);
}

/// Copies the visible columns of a block of rows into a kept map.
template <class T>
void keep_block(const head_of_sample& h, const attention_shape& shape, index first, view<const T, 2> block,
                const square_blocks<T, cpu>& kept) {
  if (kept.empty()) return;
  const view<T, 2> map = kept.map(h.sample, h.head);
  for (index r = 0; r < block.extent(0); ++r)
    std::copy_n(&block(r, 0), visible_keys(h.rows, first + r, shape.causal), &map(first + r, 0));
}

/// Drops probabilities, or what flows back to them, of a block of rows.
template <class T>
void drop_block(const head_of_sample& h, const attention_shape& shape, index first, view<T, 2> block) {
  if (shape.dropout == 0) return;
  for (index r = 0; r < block.extent(0); ++r)
    dropout_run(drop_below(shape.dropout), static_cast<T>(1 / (1 - shape.dropout)), shape.random,
                shape.first_word(h.rows.begin + first + r, h.head), &block(r, 0), block.extent(1));
}

struct score_memory {};
struct score_gradient_memory {};

template <class Provider, class T>
void attention_forward(cpu, const cpu_executor<Provider>& on, const attention_shape& shape,
                       view<const sample_rows, 1> rows, const attention_input<T, cpu>& in, view<T, 2> context,
                       view<T, 2> log_sum, const square_blocks<T, cpu>& scores,
                       const square_blocks<T, cpu>& probabilities) {
  for_each_head(on, shape, rows, in.q.extent(1), [&](const head_of_sample& h) {
    for (index first = 0; first < h.rows.length; first += attention_block) {
      const index count = std::min(attention_block, h.rows.length - first), keys = h.rows.keys;
      const view<T, 2> block(thread_scratch<score_memory, T>(count * keys + 1), count, keys);
      score_block<Provider>(h, in, first, block);
      keep_block(h, shape, first, read_only(block), scores);
      for (index r = 0; r < count; ++r)
        log_sum(h.rows.begin + first + r, h.head) =
            softmax_row(&block(r, 0), visible_keys(h.rows, first + r, shape.causal), keys);
      keep_block(h, shape, first, read_only(block), probabilities);
      drop_block(h, shape, first, block);
      multiply_here<Provider>(T(1), read_only(block), h.part(in.v, 0, keys), T(0), h.part(context, first, count));
    }
  });
}

/// Adds a loss's gradient with respect to a block of a map; only visible entries mean anything.
template <class T>
void add_kept(const head_of_sample& h, const attention_shape& shape, index first,
              const square_blocks<const T, cpu>& kept, view<T, 2> block) {
  if (kept.empty()) return;
  const view<const T, 2> map = kept.map(h.sample, h.head);
  for (index r = 0; r < block.extent(0); ++r)
    for (index c = 0; c < visible_keys(h.rows, first + r, shape.causal); ++c) block(r, c) += map(first + r, c);
}

/// From d probabilities to d scores, in place: P (dP - sum P dP), row by row.
template <class T>
void softmax_block_backward(view<const T, 2> p, view<T, 2> dp) {
  for (index r = 0; r < p.extent(0); ++r) {
    T sum = 0;
    for (index c = 0; c < p.extent(1); ++c) sum += p(r, c) * dp(r, c);
    for (index c = 0; c < p.extent(1); ++c) dp(r, c) = p(r, c) * (dp(r, c) - sum);
  }
}

template <class Provider, class T>
void attention_backward_samples(cpu, const cpu_executor<Provider>& on, const attention_shape& shape,
                                view<const sample_rows, 1> rows, const attention_input<T, cpu>& in,
                                view<const T, 2> log_sum, view<const T, 2> dcontext,
                                const square_blocks<const T, cpu>& dscores,
                                const square_blocks<const T, cpu>& dprobabilities,
                                const attention_gradient<T, cpu>& out) {
  for_each_head(on, shape, rows, in.q.extent(1), [&](const head_of_sample& h) {
    const index keys = h.rows.keys;
    const T scale = static_cast<T>(1 / std::sqrt(static_cast<double>(h.width)));
    for (index first = 0; first < h.rows.length; first += attention_block) {
      const index count = std::min(attention_block, h.rows.length - first);
      const T before = first == 0 ? T(0) : T(1);  // later blocks of rows add to dk and dv
      const view<T, 2> p(thread_scratch<score_memory, T>(count * keys + 1), count, keys);
      const view<T, 2> dp(thread_scratch<score_gradient_memory, T>(count * keys + 1), count, keys);
      const view<const T, 2> dc = h.part(dcontext, first, count);
      score_block<Provider>(h, in, first, p);
      for (index r = 0; r < count; ++r)
        softmax_row_again(&p(r, 0), visible_keys(h.rows, first + r, shape.causal), keys,
                          log_sum(h.rows.begin + first + r, h.head));
      multiply_here<Provider>(T(1), dc, transposed(h.part(in.v, 0, keys)), T(0), dp);
      drop_block(h, shape, first, dp);
      add_kept(h, shape, first, dprobabilities, dp);
      softmax_block_backward(read_only(p), dp);
      add_kept(h, shape, first, dscores, dp);
      multiply_here<Provider>(scale, read_only(dp), h.part(in.k, 0, keys), T(0), h.part(out.dq, first, count));
      multiply_here<Provider>(scale, transposed(read_only(dp)), h.part(in.q, first, count), before,
                              h.part(out.dk, 0, keys));
      drop_block(h, shape, first, p);
      multiply_here<Provider>(T(1), transposed(read_only(p)), dc, before, h.part(out.dv, 0, keys));
    }
    clear_rows(h, out, keys);
  });
}

/// Rows beyond the keys (padded rows of `tinybert_zeroing`) are queries only: no gradient as key or value.
template <class T>
void clear_rows(const head_of_sample& h, const attention_gradient<T, cpu>& out, index keys) {
  for (index r = keys; r < h.rows.length; ++r)
    for (index c = 0; c < h.width; ++c) {
      h.part(out.dk, r, 1)(0, c) = T(0);
      h.part(out.dv, r, 1)(0, c) = T(0);
    }
}

}  // namespace limbeck::ops::detail
