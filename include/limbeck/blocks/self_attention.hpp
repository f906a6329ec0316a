// The first half of a transformer layer: tokens look at tokens.
#pragma once

#include <cstdint>

#include "limbeck/backend/arena.hpp"
#include "limbeck/blocks/batch_layout.hpp"
#include "limbeck/blocks/masks.hpp"
#include "limbeck/blocks/pass.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/ops/attention.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "limbeck/ops/embedding.hpp"
#include "limbeck/ops/linear.hpp"

namespace limbeck {

/// The maps that a pass keeps of one layer; empty: none.
template <class T, backend B = cpu>
struct attention_maps {
  square_blocks<T, B> scores{}, probabilities{};
};

/// What losses want of one layer's attention; empty: nothing.
template <class T, backend B = cpu>
struct attention_wishes {
  square_blocks<const T, B> scores{}, probabilities{};
  view<const T, 2, B> queries{}, keys{}, values{};  ///< [tokens, width]
};

/// Multi-head self-attention with its projections: y = context W_o' + b_o (Vaswani et al. 2017, arXiv:1706.03762, 3.2).
template <class Mask = bidirectional_mask>
struct self_attention {
  index width, heads;  ///< of a token; the heads divide it
  /// Queries are made with the keys' weight and bias and keys with the queries', so that every map of scores is the
  /// transposed one (shuffled parameter sharing: Pea-KD, Cho and Kang 2020, arXiv:2009.14822, section 3.2). What stands
  /// in `parameters`, and its gradients, stay in their places.
  bool exchanged = false;

  template <class T, backend B = cpu>
  struct parameters {
    view<T, 2, B> qkv;       ///< [3 * width, width]: query, key, value, one below the other
    view<T, 2, B> out;       ///< [width, width]
    view<T, 1, B> qkv_bias;  ///< [3 * width]
    view<T, 1, B> out_bias;  ///< [width]
  };

  /// What the backward pass needs.
  template <class T, backend B = cpu>
  struct kept {
    view<T, 2, B> qkv;       ///< [tokens, 3 * width]; of a narrowed layer [tokens, 2 * width]: keys and values
    view<T, 2, B> context;   ///< [answers, width]
    view<T, 2, B> log_sum;   ///< [answers, heads]
    view<T, 2, B> asked;     ///< [answers, width], narrowed only: the rows of x that answer
    view<T, 2, B> q;         ///< [answers, width], narrowed only: their queries
    bool exchanged = false;  ///< of a layer that is: keys, queries and values lie in `qkv`

    /// Of x [tokens, width], which forward() has read, the rows that answer.
    [[nodiscard]] view<const T, 2, B> answering(view<const T, 2, B> x) const {
      return asked.empty() ? x : read_only(asked);
    }
    /// Queries, keys, values.
    [[nodiscard]] view<T, 2, B> third(index which) const {
      const index width = context.extent(1), apart = 3 - qkv.extent(1) / width;
      const index at = exchanged && apart == 0 && which < 2 ? 1 - which : which - apart;
      return at < 0 ? q : column_block(qkv, at * width, width);
    }
  };
  template <class T, backend B>
  [[nodiscard]] kept<T, B> keep(basic_arena<B>& memory, const batch_layout<B>& batch) const {
    const index answers = batch.answers();
    kept<T, B> k{memory.template matrix<T>(batch.tokens, (batch.narrowed() ? 2 : 3) * width),
                 memory.template matrix<T>(answers, width),
                 memory.template matrix<T>(answers, heads),
                 {},
                 {},
                 exchanged};
    if (batch.narrowed()) {
      k.asked = memory.template matrix<T>(answers, width);
      k.q = memory.template matrix<T>(answers, width);
    }
    return k;
  }

  /// x [tokens, width], y [answers, width]; y may be x. `maps` keeps scores and probabilities where not empty.
  template <launchable E, class T, backend B = backend_of<E>>
  void forward(const E& on, const parameters<const T, B>& p, const batch_layout<B>& batch, const pass_mode& mode,
               std::uint32_t site, view<const T, 2, B> x, const kept<T, B>& k, const attention_maps<T, B>& maps,
               view<T, 2, B> y) const {
    if (batch.narrowed()) {
      ops::gather_rows(on, x, batch.query_tokens, k.asked);
      ops::linear(on, read_only(k.asked), weights(p, query_maker(), 1), biases(p, query_maker(), 1), k.q);
      if (exchanged) {
        ops::linear(on, x, weights(p, 0, 1), biases(p, 0, 1), k.third(1));
        ops::linear(on, x, weights(p, 2, 1), biases(p, 2, 1), k.third(2));
      } else {
        ops::linear(on, x, weights(p, 1, 2), biases(p, 1, 2), k.qkv);
      }
    } else {
      ops::linear(on, x, p.qkv, p.qkv_bias, k.qkv);
      if (batch.gaps) ops::fill(on, T(0), k.context);
    }
    ops::attention(on, shape(batch, mode, site), batch.rows, read_only(k.third(0)), read_only(k.third(1)),
                   read_only(k.third(2)), k.context, k.log_sum, maps.scores, maps.probabilities, batch.queries);
    ops::linear(on, read_only(k.context), p.out, p.out_bias, y);
  }

  /// dx [tokens, width] is written from dy and from `wanted`, or, with `add`, added to; gradients of the parameters are
  /// added to `d`.
  template <launchable E, class T, backend B = backend_of<E>>
  void backward(const E& on, const parameters<const T, B>& p, const batch_layout<B>& batch, const pass_mode& mode,
                std::uint32_t site, view<const T, 2, B> x, const kept<T, B>& k, view<const T, 2, B> dy,
                const attention_wishes<T, B>& wanted, const parameters<T, B>& d, basic_arena<B>& memory,
                view<T, 2, B> dx, bool add = false) const {
    const auto before = memory.here();
    const kept<T, B> dk = keep<T>(memory, batch);
    ops::linear_backward(on, read_only(k.context), p.out, dy, d.out, d.out_bias, dk.context);
    if (batch.gaps) ops::fill(on, T(0), dk.qkv);
    ops::attention_backward(on, shape(batch, mode, site), batch.rows, read_only(k.third(0)), read_only(k.third(1)),
                            read_only(k.third(2)), read_only(k.log_sum), read_only(dk.context), wanted.scores,
                            wanted.probabilities, dk.third(0), dk.third(1), dk.third(2), batch.queries);
    const view<const T, 2, B> wishes[] = {wanted.queries, wanted.keys, wanted.values};
    for (index which = 0; which < 3; ++which)
      if (!wishes[which].empty()) ops::add(on, wishes[which], dk.third(which));
    if (batch.narrowed()) {
      if (exchanged) {
        ops::linear_backward(on, x, weights(p, 0, 1), read_only(dk.third(1)), weights(d, 0, 1), biases(d, 0, 1), dx,
                             add);
        ops::linear_backward(on, x, weights(p, 2, 1), read_only(dk.third(2)), weights(d, 2, 1), biases(d, 2, 1), dx,
                             true);
      } else {
        ops::linear_backward(on, x, weights(p, 1, 2), read_only(dk.qkv), weights(d, 1, 2), biases(d, 1, 2), dx, add);
      }
      ops::linear_backward(on, read_only(k.asked), weights(p, query_maker(), 1), read_only(dk.q),
                           weights(d, query_maker(), 1), biases(d, query_maker(), 1), dk.asked);
      ops::scatter_rows(on, read_only(dk.asked), batch.query_tokens, dx);
    } else {
      ops::linear_backward(on, x, p.qkv, read_only(dk.qkv), d.qkv, d.qkv_bias, dx, add);
    }
    memory.rewind(before);
  }

 private:
  /// Which of the projections makes queries.
  [[nodiscard]] index query_maker() const { return exchanged ? 1 : 0; }
  /// `count` of the projections to query, key, value, from `first` on.
  template <class T, backend B>
  [[nodiscard]] view<T, 2, B> weights(const parameters<T, B>& p, index first, index count) const {
    return row_block(p.qkv, first * width, count * width);
  }
  template <class T, backend B>
  [[nodiscard]] view<T, 1, B> biases(const parameters<T, B>& p, index first, index count) const {
    return view<T, 1, B>(p.qkv_bias.data() + first * width, count * width);
  }
  template <backend B>
  [[nodiscard]] ops::attention_shape shape(const batch_layout<B>& batch, const pass_mode& mode,
                                           std::uint32_t site) const {
    return {.heads = heads,
            .causal = Mask::causal,
            .dropout = mode.attention_dropout,
            .random = mode.at(site),
            .longest = batch.longest};
  }
};

}  // namespace limbeck
