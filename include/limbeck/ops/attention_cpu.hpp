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
  [[nodiscard]] LIMBECK_HD T* row(const view<T, 2>& of, index which) const {
    return of.data() + (rows.begin + which) * of.stride(0) + head * width;
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

/// `count` elements as whole vectors.
template <class V>
[[nodiscard]] LIMBECK_HD constexpr index whole(index count) {
  return (count + V::width - 1) / V::width * V::width;
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
    const index block = std::min(attention_block, h.rows.length) * keys, across = h.width * keys,
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

/// Copies `count` elements, in vectors.
template <class V, class T>
LIMBECK_HD void copy_row(const T* from, index count, T* to) {
  for (index c = 0; c < count; c += V::width) store_part(to + c, count - c, load_part<V>(from + c, count - c, T(0)));
}

/// Rows first .. first + count of a head as the right factor of a product: in place, unless reading whole vectors would
/// leave the matrix; then copied to `spare`. The lanes behind the head's columns hold anything.
template <class V, class T>
LIMBECK_HD rows_of_vectors<const T> right_factor(const head_of_sample& h, const view<const T, 2>& of, index first,
                                                 index count, const head_memory<T>& m, T* spare) {
  if (h.head * h.width + whole<V>(h.width) <= of.extent(1)) return {h.row(of, first), of.stride(0)};
  for (index r = 0; r < count; ++r) copy_row<V>(h.row(of, first + r), h.width, spare + r * m.width);
  return {spare, m.width};
}

/// across[j, c] = element j of row c, 0 behind the sample's keys: a square of whole vectors at a time.
template <class V, class T>
LIMBECK_HD void put_across(const head_of_sample& h, const view<const T, 2>& of, const head_memory<T>& m, T* across) {
  constexpr int side = V::width;
  for (index j = 0; j < h.width; j += side) {
    const bool inside = h.head * h.width + j + side <= of.extent(1);  // whole vectors stay within the matrix
    for (index c = 0; c < h.rows.keys; c += side) {
      V square[side];
#pragma GCC unroll 16
      for (int r = 0; r < side; ++r)
        square[r] = c + r >= h.rows.keys ? V(T(0))
                    : inside             ? load<V>(h.row(of, c + r) + j)
                                         : load_part<V>(h.row(of, c + r) + j, h.width - j, T(0));
      transpose(square);
#pragma GCC unroll 16
      for (int r = 0; r < side; ++r)
        if (j + r < h.width) store(across + (j + r) * m.keys + c, square[r]);
    }
  }
}

/// out [count, keys] = scale * rows of `of` times what lies across.
template <class V, class T>
LIMBECK_HD void times_across(const head_of_sample& h, const view<const T, 2>& of, index first, index count, T scale,
                             const T* across, const head_memory<T>& m, T* out) {
  small_product<V, T>({h.row(of, first), of.stride(0), 1}, {across, m.keys}, {out, m.keys}, count, h.width,
                      whole<V>(h.rows.keys), scale, false);
}

/// Copies the visible columns of a block of rows into a kept map.
template <class V, class T>
LIMBECK_HD void keep_block(const head_of_sample& h, const attention_shape& shape, index first, index count,
                           const T* block, const head_memory<T>& m, const square_blocks<T, cpu>& kept) {
  if (kept.empty()) return;
  const view<T, 2> map = kept.map(h.sample, h.head);
  for (index r = 0; r < count; ++r)
    copy_row<V>(block + r * m.keys, visible_keys(h.rows, first + r, shape.causal),
                map.data() + (first + r) * map.stride(0));
}

/// Adds a loss's gradient with respect to a block of a map; only visible entries mean anything.
template <class V, class T>
LIMBECK_HD void add_kept(const head_of_sample& h, const attention_shape& shape, index first, index count,
                         const square_blocks<const T, cpu>& kept, const head_memory<T>& m, T* block) {
  if (kept.empty()) return;
  const view<const T, 2> map = kept.map(h.sample, h.head);
  for (index r = 0; r < count; ++r) {
    const index visible = visible_keys(h.rows, first + r, shape.causal);
    const T* const from = map.data() + (first + r) * map.stride(0);
    T* const to = block + r * m.keys;
    for (index c = 0; c < visible; c += V::width)
      store(to + c, load<V>(to + c) + load_part<V>(from + c, visible - c, T(0)));
  }
}

/// The factors of dropout of a block of rows.
template <int Bytes, class T>
LIMBECK_HD void block_factors(const head_of_sample& h, const attention_shape& shape, const dropping<T>& drop,
                              index first, index count, const head_memory<T>& m) {
  for (index r = 0; r < count && !drop.none(); ++r)
    dropout_factors<Bytes>(drop, shape.first_word(h.rows.begin + first + r, h.head), h.rows.keys,
                           m.factor + r * m.keys);
}
/// Drops probabilities, or what flows back to them, of a block of rows.
template <class V, class T>
LIMBECK_HD void drop_block(const dropping<T>& drop, index count, index columns, const head_memory<T>& m, T* block) {
  for (index r = 0; r < count && !drop.none(); ++r)
    for (index at = r * m.keys; at < r * m.keys + columns; at += V::width)
      store(block + at, dropped(load<V>(block + at), load<V>(m.factor + at)));
}

template <class T>
struct attention_forward_call {
  const attention_shape& shape;
  const attention_input<T, cpu>& in;
  view<T, 2> context, log_sum;
  const square_blocks<T, cpu>&scores, &probabilities;
  dropping<T> drop;
};

struct attention_forward_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const attention_forward_call<T>& call, const head_of_sample& h, const head_memory<T>& m) {
    using V = simd_of_bytes<T, Bytes>;
    const index keys = h.rows.keys, columns = whole<V>(keys);
    put_across<V>(h, call.in.k, m, m.keys_across);
    const rows_of_vectors<const T> values = right_factor<V>(h, call.in.v, 0, keys, m, m.rows);
    for (index first = 0; first < h.rows.length; first += attention_block) {
      const index count = std::min(attention_block, h.rows.length - first);
      times_across<V>(h, call.in.q, first, count, scale_of<T>(h), m.keys_across, m, m.scores);
      keep_block<V>(h, call.shape, first, count, m.scores, m, call.scores);
      for (index r = 0; r < count; ++r)
        call.log_sum(h.rows.begin + first + r, h.head) =
            softmax_row<V>(m.scores + r * m.keys, visible_keys(h.rows, first + r, call.shape.causal), columns);
      keep_block<V>(h, call.shape, first, count, m.scores, m, call.probabilities);
      block_factors<Bytes>(h, call.shape, call.drop, first, count, m);
      drop_block<V>(call.drop, count, columns, m, m.scores);
      small_product<V, T>({m.scores, m.keys, 1}, values, {m.more_rows, m.width}, count, keys, whole<V>(h.width), T(1),
                          false);
      for (index r = 0; r < count; ++r) copy_row<V>(m.more_rows + r * m.width, h.width, h.row(call.context, first + r));
    }
  }
};

template <class Provider, class T>
void attention_forward(cpu, const cpu_executor<Provider>& on, const attention_shape& shape,
                       view<const sample_rows, 1> rows, const attention_input<T, cpu>& in, view<T, 2> context,
                       view<T, 2> log_sum, const square_blocks<T, cpu>& scores,
                       const square_blocks<T, cpu>& probabilities) {
  const attention_forward_call<T> call{
      shape, in, context, log_sum, scores, probabilities, dropping<T>(shape.dropout, shape.random)};
  for_each_head(on, shape, rows, in.q.extent(1), [&](const head_of_sample& h) {
    const head_memory<T> memory(h, false);
    simd_dispatch<attention_forward_kernel>(call, h, memory);
  });
}

template <class T>
struct attention_backward_call {
  const attention_shape& shape;
  const attention_input<T, cpu>& in;
  view<const T, 2> log_sum, dcontext;
  const square_blocks<const T, cpu>&dscores, &dprobabilities;
  const attention_gradient<T, cpu>& out;
  dropping<T> drop;
};

struct attention_backward_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const attention_backward_call<T>& call, const head_of_sample& h, const head_memory<T>& m) {
    using V = simd_of_bytes<T, Bytes>;
    put_across<V>(h, call.in.k, m, m.keys_across);
    put_across<V>(h, call.in.v, m, m.values_across);
    for (index first = 0; first < h.rows.length; first += attention_block) {
      const index count = std::min(attention_block, h.rows.length - first);
      score_gradient<Bytes, V>(call, h, m, first, count);
      products<V>(call, h, m, first, count);
    }
    for (index r = 0; r < h.rows.length; ++r) {
      // Rows beyond the keys (padded rows of `tinybert_zeroing`) are queries only: no gradient as key or value.
      const bool key = r < h.rows.keys;
      for (index c = 0; c < h.width; c += V::width) {
        const V dk = key ? load<V>(m.dkeys + r * m.width + c) : V(T(0));
        const V dv = key ? load<V>(m.dvalues + r * m.width + c) : V(T(0));
        store_part(h.row(call.out.dk, r) + c, h.width - c, dk);
        store_part(h.row(call.out.dv, r) + c, h.width - c, dv);
      }
    }
  }

 private:
  /// m.scores: probabilities after dropout; m.gradient: d scores.
  template <int Bytes, class V, class T>
  LIMBECK_HD static void score_gradient(const attention_backward_call<T>& call, const head_of_sample& h,
                                        const head_memory<T>& m, index first, index count) {
    const index columns = whole<V>(h.rows.keys);
    times_across<V>(h, call.in.q, first, count, scale_of<T>(h), m.keys_across, m, m.scores);
    for (index r = 0; r < count; ++r)
      softmax_row_again<V>(m.scores + r * m.keys, visible_keys(h.rows, first + r, call.shape.causal), columns,
                           call.log_sum(h.rows.begin + first + r, h.head));
    times_across<V>(h, call.dcontext, first, count, T(1), m.values_across, m, m.gradient);
    block_factors<Bytes>(h, call.shape, call.drop, first, count, m);
    drop_block<V>(call.drop, count, columns, m, m.gradient);
    add_kept<V>(h, call.shape, first, count, call.dprobabilities, m, m.gradient);
    for (index r = 0; r < count; ++r) softmax_row_backward<V>(m.scores + r * m.keys, m.gradient + r * m.keys, columns);
    add_kept<V>(h, call.shape, first, count, call.dscores, m, m.gradient);
    drop_block<V>(call.drop, count, columns, m, m.scores);
  }

  /// dq of the block, and its share of dk and dv.
  template <class V, class T>
  LIMBECK_HD static void products(const attention_backward_call<T>& call, const head_of_sample& h,
                                  const head_memory<T>& m, index first, index count) {
    const index keys = h.rows.keys, columns = whole<V>(h.width);
    const T scale = scale_of<T>(h);
    const bool more = first > 0;  // later blocks of rows add to dk and dv
    const auto right = right_factor<V>(h, call.in.k, 0, keys, m, m.rows);
    small_product<V, T>({m.gradient, m.keys, 1}, right, {m.more_rows, m.width}, count, keys, columns, scale, false);
    for (index r = 0; r < count; ++r) copy_row<V>(m.more_rows + r * m.width, h.width, h.row(call.out.dq, first + r));
    small_product<V, T>({m.gradient, 1, m.keys}, right_factor<V>(h, call.in.q, first, count, m, m.rows),
                        {m.dkeys, m.width}, keys, count, columns, scale, more);
    small_product<V, T>({m.scores, 1, m.keys}, right_factor<V>(h, call.dcontext, first, count, m, m.rows),
                        {m.dvalues, m.width}, keys, count, columns, T(1), more);
  }
};

template <class Provider, class T>
void attention_backward_samples(cpu, const cpu_executor<Provider>& on, const attention_shape& shape,
                                view<const sample_rows, 1> rows, const attention_input<T, cpu>& in,
                                view<const T, 2> log_sum, view<const T, 2> dcontext,
                                const square_blocks<const T, cpu>& dscores,
                                const square_blocks<const T, cpu>& dprobabilities,
                                const attention_gradient<T, cpu>& out) {
  const attention_backward_call<T> call{
      shape, in, log_sum, dcontext, dscores, dprobabilities, out, dropping<T>(shape.dropout, shape.random)};
  for_each_head(on, shape, rows, in.q.extent(1), [&](const head_of_sample& h) {
    const head_memory<T> memory(h, true);
    simd_dispatch<attention_backward_kernel>(call, h, memory);
  });
}

}  // namespace limbeck::ops::detail
