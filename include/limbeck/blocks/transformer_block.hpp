// A transformer layer: attention and feed-forward, each with a residual path and a norm.
#pragma once

#include "limbeck/blocks/answers.hpp"
#include "limbeck/blocks/batch_layout.hpp"
#include "limbeck/blocks/feed_forward.hpp"
#include "limbeck/blocks/norm.hpp"
#include "limbeck/blocks/self_attention.hpp"
#include "limbeck/ops/dropout.hpp"
#include "limbeck/ops/elementwise.hpp"

namespace limbeck {

/// Where the norms stand: after each residual sum (BERT; Vaswani et al. 2017) ...
struct post_norm {
  static constexpr bool first = false;
};
/// ... or before each sublayer, with one more after the last layer (GPT-2; Xiong et al. 2020, arXiv:2002.04745).
struct pre_norm {
  static constexpr bool first = true;
};

/// One layer of an encoder or decoder. Policies: where the norms stand, what a row may look at, the activation.
template <class Placement = post_norm, class Mask = bidirectional_mask, class Activation = gelu>
struct transformer_block {
  self_attention<Mask> attention;
  feed_forward<Activation> forward_net;
  norm attention_norm, output_norm;

  template <class T, backend B = cpu>
  struct parameters {
    typename self_attention<Mask>::template parameters<T, B> attention;
    norm::parameters<T, B> attention_norm;
    typename feed_forward<Activation>::template parameters<T, B> forward_net;
    norm::parameters<T, B> output_norm;
  };

  /// What the backward pass needs beside the layer's input; all but `attention.qkv` is free again after an inference.
  template <class T, backend B = cpu>
  struct kept {
    typename self_attention<Mask>::template kept<T, B> attention;
    view<T, 2, B> middle;  ///< [answers, width]: what the feed-forward reads
    typename feed_forward<Activation>::template kept<T, B> forward_net;
    norm::kept<T, B> attention_norm, output_norm;
    view<T, 2, B> normed_input;  ///< [tokens, width], pre-norm only: what the attention reads
  };
  template <class T, backend B>
  [[nodiscard]] kept<T, B> keep(basic_arena<B>& memory, const batch_layout<B>& batch, bool keeps = true) const {
    const index answers = batch.answers();
    kept<T, B> k{attention.template keep<T>(memory, batch),
                 memory.template matrix<T>(answers, attention.width),
                 forward_net.template keep<T>(memory, answers, keeps),
                 attention_norm.template keep<T>(memory, Placement::first ? batch.tokens : answers, keeps),
                 output_norm.template keep<T>(memory, answers, keeps),
                 {}};
    if constexpr (Placement::first) k.normed_input = memory.template matrix<T>(batch.tokens, attention.width);
    return k;
  }

  /// Sites of random streams that a layer uses, counted from its first.
  static constexpr std::uint32_t sites = 3;

  /// y [answers, width] from x [tokens, width], which it may not overlap. `memory` lends what is only needed meanwhile.
  template <launchable E, class T, backend B = backend_of<E>>
  void forward(const E& on, const parameters<const T, B>& p, const batch_layout<B>& batch, const pass_mode& mode,
               std::uint32_t site, view<const T, 2, B> x, const kept<T, B>& k, const attention_maps<T, B>& maps,
               basic_arena<B>& memory, view<T, 2, B> y) const {
    if constexpr (Placement::first) {
      attention_norm.forward(on, p.attention_norm, x, k.attention_norm, k.normed_input);
      attention.forward(on, p.attention, batch, mode, site, read_only(k.normed_input), k.attention, maps, y);
      ops::add_dropped(on, mode.dropout, mode.at(site + 1), read_only(y), gather_answers(on, batch, x, k.middle), y);
      output_norm.forward(on, p.output_norm, read_only(y), k.output_norm, k.middle);
      const auto mark = memory.here();
      const view<T, 2, B> fed = memory.template matrix<T>(y.extent(0), y.extent(1));
      forward_net.forward(on, p.forward_net, read_only(k.middle), k.forward_net, fed);
      ops::add_dropped(on, mode.dropout, mode.at(site + 2), read_only(fed), read_only(y), y);
      memory.rewind(mark);
    } else {
      attention.forward(on, p.attention, batch, mode, site, x, k.attention, maps, y);
      attention_norm.forward_residual(on, p.attention_norm, mode, site + 1, read_only(y), k.attention.answering(x),
                                      k.attention_norm, k.middle);
      forward_net.forward(on, p.forward_net, read_only(k.middle), k.forward_net, y);
      output_norm.forward_residual(on, p.output_norm, mode, site + 2, read_only(y), read_only(k.middle), k.output_norm,
                                   y);
    }
  }

  /// Turns `d` [tokens, width] from dy, its first rows in a narrowed layer, into dx, with what losses want of the
  /// attention. Gradients of the parameters are added to `dp`.
  template <launchable E, class T, backend B = backend_of<E>>
  void backward(const E& on, const parameters<const T, B>& p, const batch_layout<B>& batch, const pass_mode& mode,
                std::uint32_t site, view<const T, 2, B> x, const kept<T, B>& k, const attention_wishes<T, B>& wanted,
                const parameters<T, B>& dp, basic_arena<B>& memory, view<T, 2, B> d) const {
    const auto mark = memory.here();
    const index answers = batch.answers();
    const view<T, 2, B> branch = memory.template matrix<T>(answers, d.extent(1)), dy = row_block(d, 0, answers);
    if constexpr (Placement::first) {
      const view<T, 2, B> beside = memory.template matrix<T>(answers, d.extent(1));  // what goes past the sublayers
      ops::dropout(on, mode.dropout, mode.at(site + 2), read_only(dy), branch);
      forward_net.backward(on, p.forward_net, read_only(k.middle), k.forward_net, read_only(branch), dp.forward_net,
                           memory, beside);
      output_norm.backward(on, p.output_norm, k.output_norm, read_only(beside), dp.output_norm, beside);
      ops::add(on, read_only(dy), beside);
      ops::dropout(on, mode.dropout, mode.at(site + 1), read_only(beside), branch);
      attention.backward(on, p.attention, batch, mode, site, read_only(k.normed_input), k.attention, read_only(branch),
                         wanted, dp.attention, memory, d);
      attention_norm.backward(on, p.attention_norm, k.attention_norm, read_only(d), dp.attention_norm, d);
      scatter_answers(on, batch, read_only(beside), d);
    } else {
      const bool apart = batch.narrowed();  // else it stays in d, and the attention adds to it there
      const view<T, 2, B> beside = apart ? memory.template matrix<T>(answers, d.extent(1)) : d;
      output_norm.backward_residual(on, p.output_norm, mode, site + 2, k.output_norm, read_only(dy), dp.output_norm,
                                    beside, branch);
      forward_net.backward(on, p.forward_net, read_only(k.middle), k.forward_net, read_only(branch), dp.forward_net,
                           memory, beside, true);
      attention_norm.backward_residual(on, p.attention_norm, mode, site + 1, k.attention_norm, read_only(beside),
                                       dp.attention_norm, beside, branch);
      attention.backward(on, p.attention, batch, mode, site, x, k.attention, read_only(branch), wanted, dp.attention,
                         memory, d, !apart);
      if (apart) scatter_answers(on, batch, read_only(beside), d);
    }
    memory.rewind(mark);
  }
};

}  // namespace limbeck
