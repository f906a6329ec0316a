// Attention on the host: a head of a sample at a time, in blocks of query rows that stay in cache. Its products are too
// small for a library: they are vector kernels of their own, the same for every provider.
#pragma once

#include <algorithm>
#include <cmath>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/ops/attention_shape.hpp"
#include "limbeck/ops/dropout_cpu.hpp"
#include "limbeck/ops/small_product_cpu.hpp"
#include "limbeck/ops/softmax_cpu.hpp"

namespace limbeck::ops::detail {

inline constexpr index attention_block = 64;  // query rows whose scores are held at a time

/// One head of one sample: its rows and columns of any [tokens, width] matrix.
struct head_of_sample {
  sample_rows rows, queries;  ///< of keys and values; of queries
  index sample, head, width;  ///< width: of the head

  template <class T>
  [[nodiscard]] LIMBECK_HD T* row(const view<T, 2>& of, index which) const {
    return of.data() + (rows.begin + which) * of.stride(0) + head * width;
  }
  /// The same of a matrix with a row a query.
  template <class T>
  [[nodiscard]] LIMBECK_HD T* query(const view<T, 2>& of, index which) const {
    return of.data() + (queries.begin + which) * of.stride(0) + head * width;
  }
};

/// Calls body(head_of_sample) for every head of every sample, on the threads of the call.
template <class Provider, class Body>
void for_each_head(const cpu_executor<Provider>& on, const attention_shape& shape, const attention_rows<cpu>& rows,
                   index width, Body&& body) {
  parallel_each(on.threads, rows.keys.extent(0) * shape.heads, [&](index item) {
    const index sample = item / shape.heads, head = item % shape.heads;
    const sample_rows keys = rows.keys(sample), queries = rows.queries.empty() ? keys : rows.queries(sample);
    if (keys.length > 0) body(head_of_sample{keys, queries, sample, head, width / shape.heads});
  });
}

/// What is enough for whole vectors of any level, and for whole runs of random words.
[[nodiscard]] constexpr index room_for(index count) { return (count + 31) / 32 * 32; }

/// What one head works with: matrices whose rows are whole vectors.
template <class T>
struct head_memory {
  index keys, width;                      ///< of a row of scores; of a row of the head
  T *scores, *gradient, *factor;          ///< [block, keys]
  T *keys_across, *values_across;         ///< [head width, keys]
  T *dkeys, *dvalues, *rows, *more_rows;  ///< [keys or block, width]

  struct tag {};
  head_memory(const head_of_sample& h, bool backward) : keys(room_for(h.rows.keys)), width(room_for(h.width)) {
    const index block = std::min(attention_block, h.queries.length) * keys, across = h.width * keys,
                tall = std::max(attention_block, keys) * width;
    T* at = thread_scratch<tag, T>(3 * block + 2 * across + 4 * tall + 64);
    const auto take = [&](index count) {
      T* const here = at;
      at += count;
      return here;
    };
    scores = take(block);
    factor = take(block);
    keys_across = take(across);
    rows = take(tall);
    more_rows = take(tall);
    gradient = backward ? take(block) : nullptr;
    values_across = backward ? take(across) : nullptr;
    dkeys = backward ? take(tall) : nullptr;
    dvalues = backward ? take(tall) : nullptr;
  }
};

template <class T>
[[nodiscard]] T scale_of(const head_of_sample& h) {
  return static_cast<T>(1 / std::sqrt(static_cast<double>(h.width)));
}

/// `count` rows of a head, from `first` on, as the right factor of a product: in place, unless reading whole vectors
/// would leave the matrix; then copied to `spare`. The lanes behind the head's columns hold anything.
template <class T>
rows_of_vectors<const T> right_factor(const head_of_sample& h, const view<const T, 2>& of, const T* first, index count,
                                      const head_memory<T>& m, T* spare) {
  constexpr index lanes = 64 / sizeof(T);
  if (h.head * h.width + (h.width + lanes - 1) / lanes * lanes <= of.extent(1)) return {first, of.stride(0)};
  simd_dispatch<copy_rows_kernel>(first, of.stride(0), spare, m.width, count, h.width);
  return {spare, m.width};
}

/// The rows of a head, one beside the other: [head width, keys].
template <class T>
void lay_across(const head_of_sample& h, const view<const T, 2>& of, const head_memory<T>& m, T* across) {
  simd_dispatch<across_kernel>(h.row(of, 0), of.stride(0), h.rows.keys, h.width, of.extent(1) - h.head * h.width,
                               across, m.keys);
}

/// out [count, keys] = scale * rows of `of`, a row a query, times what lies across.
template <class T>
void times_across(const head_of_sample& h, const view<const T, 2>& of, index first, index count, T scale,
                  const T* across, const head_memory<T>& m, T* out) {
  small_product<T>({h.query(of, first), of.stride(0), 1}, {across, m.keys}, {out, m.keys}, count, h.width, h.rows.keys,
                   scale, false);
}

/// A block of query rows of one head.
struct block_of_rows {
  const head_of_sample& head;
  index first, count;
  bool causal;

  [[nodiscard]] LIMBECK_HD index visible(index row) const { return visible_keys(head.rows, first + row, causal); }
  /// The keys as whole vectors.
  template <class V>
  [[nodiscard]] LIMBECK_HD index columns() const {
    return (head.rows.keys + V::width - 1) / V::width * V::width;
  }
};

/// Copies the visible columns of a block of rows into a kept map.
struct keep_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const block_of_rows& b, const T* block, index row, T* map, index map_row) {
    for (index r = 0; r < b.count; ++r)
      copy_row<simd_of_bytes<T, Bytes>>(block + r * row, b.visible(r), map + (b.first + r) * map_row);
  }
};
template <class T>
void keep_block(const block_of_rows& b, const T* block, const head_memory<T>& m, const square_blocks<T, cpu>& kept) {
  if (kept.empty()) return;
  const view<T, 2> map = kept.map(b.head.sample, b.head.head);
  simd_dispatch<keep_kernel>(b, block, m.keys, map.data(), map.stride(0));
}

/// Adds a loss's gradient with respect to a block of a map; only visible entries mean anything.
struct add_kept_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const block_of_rows& b, const T* map, index map_row, T* block, index row) {
    using V = simd_of_bytes<T, Bytes>;
    for (index r = 0; r < b.count; ++r) {
      const T* const from = map + (b.first + r) * map_row;
      T* const to = block + r * row;
      for (index c = 0; c < b.visible(r); c += V::width)
        store(to + c, load<V>(to + c) + load_part<V>(from + c, b.visible(r) - c, T(0)));
    }
  }
};
template <class T>
void add_kept(const block_of_rows& b, const square_blocks<const T, cpu>& kept, const head_memory<T>& m, T* block) {
  if (kept.empty()) return;
  const view<const T, 2> map = kept.map(b.head.sample, b.head.head);
  simd_dispatch<add_kept_kernel>(b, map.data(), map.stride(0), block, m.keys);
}

/// The factors of dropout of a block of rows.
struct factors_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const block_of_rows& b, const attention_shape& shape, const dropping<T>& drop, T* factor,
                             index row) {
    for (index r = 0; r < b.count; ++r)
      dropout_factors<Bytes>(drop, shape.first_word(b.head.queries.begin + b.first + r, b.head.head), b.head.rows.keys,
                             factor + r * row);
  }
};
/// Drops probabilities, or what flows back to them, of a block of rows.
struct drop_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const T* factor, index rows, index columns, index row, T* block) {
    using V = simd_of_bytes<T, Bytes>;
    for (index r = 0; r < rows; ++r)
      for (index at = r * row; at < r * row + columns; at += V::width)
        store(block + at, dropped(load<V>(block + at), load<V>(factor + at)));
  }
};
template <class T>
void drop_block(const block_of_rows& b, const dropping<T>& drop, const head_memory<T>& m, T* block) {
  if (!drop.none()) simd_dispatch<drop_kernel>(m.factor, b.count, b.head.rows.keys, m.keys, block);
}

/// Scores to probabilities; the log of each row's sum of exp goes to log_sum.
struct softmax_block_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const block_of_rows& b, const head_memory<T>& m, const view<T, 2>& log_sum) {
    using V = simd_of_bytes<T, Bytes>;
    const index columns = b.columns<V>();
    for (index r = 0; r < b.count; ++r) {
      const T sum = softmax_row<V>(m.scores + r * m.keys, b.visible(r), columns);
      if (!log_sum.empty()) log_sum(b.head.queries.begin + b.first + r, b.head.head) = sum;
    }
  }
};

template <class T>
struct attention_forward_call {
  const attention_shape& shape;
  const attention_input<T, cpu>& in;
  view<T, 2> context, log_sum;
  const square_blocks<T, cpu>&scores, &probabilities;
  dropping<T> drop;

  void operator()(const head_of_sample& h) const {
    const head_memory<T> m(h, false);
    lay_across<T>(h, in.k, m, m.keys_across);
    const bool maps_alone = in.v.empty();
    const rows_of_vectors<const T> values = maps_alone ? rows_of_vectors<const T>{nullptr, 0}
                                                       : right_factor(h, in.v, h.row(in.v, 0), h.rows.keys, m, m.rows);
    for (index first = 0; first < h.queries.length; first += attention_block) {
      const block_of_rows b{h, first, std::min(attention_block, h.queries.length - first), shape.causal};
      times_across<T>(h, in.q, first, b.count, scale_of<T>(h), m.keys_across, m, m.scores);
      keep_block<T>(b, m.scores, m, scores);
      if (maps_alone && probabilities.empty()) continue;
      simd_dispatch<softmax_block_kernel>(b, m, log_sum);
      keep_block<T>(b, m.scores, m, probabilities);
      if (maps_alone) continue;
      if (!drop.none()) simd_dispatch<factors_kernel>(b, shape, drop, m.factor, m.keys);
      drop_block(b, drop, m, m.scores);
      small_product<T>({m.scores, m.keys, 1}, values, {m.more_rows, m.width}, b.count, h.rows.keys, h.width, T(1),
                       false);
      simd_dispatch<copy_rows_kernel>(m.more_rows, m.width, h.query(context, first), context.stride(0), b.count,
                                      h.width);
    }
  }
};

template <class Provider, class T>
void attention_forward(cpu, const cpu_executor<Provider>& on, const attention_shape& shape,
                       const attention_rows<cpu>& rows, const attention_input<T, cpu>& in, view<T, 2> context,
                       view<T, 2> log_sum, const square_blocks<T, cpu>& scores,
                       const square_blocks<T, cpu>& probabilities) {
  for_each_head(on, shape, rows, in.q.extent(1),
                attention_forward_call<T>{shape, in, context, log_sum, scores, probabilities,
                                          dropping<T>(shape.dropout, shape.random)});
}

/// Scores to probabilities once more, from the kept log of each row's sum.
struct softmax_again_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const block_of_rows& b, const head_memory<T>& m, const view<const T, 2>& log_sum) {
    using V = simd_of_bytes<T, Bytes>;
    const index columns = b.columns<V>();
    for (index r = 0; r < b.count; ++r)
      softmax_row_again<V>(m.scores + r * m.keys, b.visible(r), columns,
                           log_sum(b.head.queries.begin + b.first + r, b.head.head));
  }
};
/// From d probabilities to d scores.
struct softmax_backward_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const block_of_rows& b, const head_memory<T>& m) {
    using V = simd_of_bytes<T, Bytes>;
    const index columns = b.columns<V>();
    for (index r = 0; r < b.count; ++r)
      softmax_row_backward<V>(m.scores + r * m.keys, m.gradient + r * m.keys, columns);
  }
};

template <class T>
struct attention_backward_call {
  const attention_shape& shape;
  const attention_input<T, cpu>& in;
  view<const T, 2> log_sum, dcontext;
  const square_blocks<const T, cpu>&dscores, &dprobabilities;
  const attention_gradient<T, cpu>& out;
  dropping<T> drop;

  void operator()(const head_of_sample& h) const {
    const head_memory<T> m(h, true);
    lay_across<T>(h, in.k, m, m.keys_across);
    lay_across<T>(h, in.v, m, m.values_across);
    for (index first = 0; first < h.queries.length; first += attention_block) {
      const block_of_rows b{h, first, std::min(attention_block, h.queries.length - first), shape.causal};
      score_gradient(b, m);
      products(b, m);
    }
    const index keys = h.rows.keys;
    simd_dispatch<copy_rows_kernel>(m.dkeys, m.width, h.row(out.dk, 0), out.dk.stride(0), keys, h.width);
    simd_dispatch<copy_rows_kernel>(m.dvalues, m.width, h.row(out.dv, 0), out.dv.stride(0), keys, h.width);
    // Rows beyond the keys (padded rows of `tinybert_zeroing`) are queries only: no gradient as key or value.
    for (index r = keys; r < h.rows.length; ++r) {
      std::fill_n(h.row(out.dk, r), h.width, T(0));
      std::fill_n(h.row(out.dv, r), h.width, T(0));
    }
  }

 private:
  /// m.scores: probabilities after dropout; m.gradient: d scores.
  void score_gradient(const block_of_rows& b, const head_memory<T>& m) const {
    times_across<T>(b.head, in.q, b.first, b.count, scale_of<T>(b.head), m.keys_across, m, m.scores);
    simd_dispatch<softmax_again_kernel>(b, m, log_sum);
    times_across<T>(b.head, dcontext, b.first, b.count, T(1), m.values_across, m, m.gradient);
    if (!drop.none()) simd_dispatch<factors_kernel>(b, shape, drop, m.factor, m.keys);
    drop_block(b, drop, m, m.gradient);
    add_kept(b, dprobabilities, m, m.gradient);
    simd_dispatch<softmax_backward_kernel>(b, m);
    add_kept(b, dscores, m, m.gradient);
    drop_block(b, drop, m, m.scores);
  }

  /// dq of the block, and its share of dk and dv.
  void products(const block_of_rows& b, const head_memory<T>& m) const {
    const head_of_sample& h = b.head;
    const index keys = h.rows.keys;
    const T scale = scale_of<T>(h);
    const bool more = b.first > 0;  // later blocks of rows add to dk and dv
    small_product<T>({m.gradient, m.keys, 1}, right_factor(h, in.k, h.row(in.k, 0), keys, m, m.rows),
                     {m.more_rows, m.width}, b.count, keys, h.width, scale, false);
    simd_dispatch<copy_rows_kernel>(m.more_rows, m.width, h.query(out.dq, b.first), out.dq.stride(0), b.count, h.width);
    small_product<T>({m.gradient, 1, m.keys}, right_factor(h, in.q, h.query(in.q, b.first), b.count, m, m.rows),
                     {m.dkeys, m.width}, keys, b.count, h.width, scale, more);
    small_product<T>({m.scores, 1, m.keys}, right_factor(h, dcontext, h.query(dcontext, b.first), b.count, m, m.rows),
                     {m.dvalues, m.width}, keys, b.count, h.width, T(1), more);
  }
};

template <class Provider, class T>
void attention_backward_samples(cpu, const cpu_executor<Provider>& on, const attention_shape& shape,
                                const attention_rows<cpu>& rows, const attention_input<T, cpu>& in,
                                view<const T, 2> log_sum, view<const T, 2> dcontext,
                                const square_blocks<const T, cpu>& dscores,
                                const square_blocks<const T, cpu>& dprobabilities,
                                const attention_gradient<T, cpu>& out) {
  for_each_head(on, shape, rows, in.q.extent(1),
                attention_backward_call<T>{shape, in, log_sum, dcontext, dscores, dprobabilities, out,
                                           dropping<T>(shape.dropout, shape.random)});
}

}  // namespace limbeck::ops::detail
