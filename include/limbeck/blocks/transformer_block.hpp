// A transformer layer: attention and feed-forward, each with a residual path and a norm.
#pragma once

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
    view<T, 2, B> middle;  ///< [tokens, width]: what the feed-forward reads
    typename feed_forward<Activation>::template kept<T, B> forward_net;
    norm::kept<T, B> attention_norm, output_norm;
    view<T, 2, B> normed_input;  ///< [tokens, width], pre-norm only: what the attention reads
  };
  template <class T>
  [[nodiscard]] kept<T> keep(arena& memory, index tokens) const {
    kept<T> k{attention.template keep<T>(memory, tokens),   memory.matrix<T>(tokens, attention.width),
              forward_net.template keep<T>(memory, tokens), attention_norm.keep<T>(memory, tokens),
              output_norm.keep<T>(memory, tokens),          {}};
    if constexpr (Placement::first) k.normed_input = memory.matrix<T>(tokens, attention.width);
    return k;
  }

  /// Sites of random streams that a layer uses, counted from its first.
  static constexpr std::uint32_t sites = 3;

  /// y [tokens, width] from x [tokens, width], which it may not overlap. `memory` lends what is only needed meanwhile.
  template <launchable E, class T, backend B = backend_of<E>>
  void forward(const E& on, const parameters<const T, B>& p, const batch_layout<B>& batch, const pass_mode& mode,
               std::uint32_t site, view<const T, 2, B> x, const kept<T, B>& k, const attention_maps<T, B>& maps,
               arena& memory, view<T, 2, B> y) const {
    if constexpr (Placement::first) {
      attention_norm.forward(on, p.attention_norm, x, k.attention_norm, k.normed_input);
      attention.forward(on, p.attention, batch, mode, site, read_only(k.normed_input), k.attention, maps, y);
      add_dropped(on, mode, site + 1, y, x);
      output_norm.forward(on, p.output_norm, read_only(y), k.output_norm, k.middle);
      const auto mark = memory.here();
      const view<T, 2, B> fed = memory.matrix<T>(y.extent(0), y.extent(1));
      forward_net.forward(on, p.forward_net, read_only(k.middle), k.forward_net, fed);
      ops::dropout(on, mode.dropout, mode.at(site + 2), fed);
      ops::add(on, read_only(fed), y);
      memory.rewind(mark);
    } else {
      attention.forward(on, p.attention, batch, mode, site, x, k.attention, maps, y);
      add_dropped(on, mode, site + 1, y, x);
      attention_norm.forward(on, p.attention_norm, read_only(y), k.attention_norm, k.middle);
      forward_net.forward(on, p.forward_net, read_only(k.middle), k.forward_net, y);
      add_dropped(on, mode, site + 2, y, read_only(k.middle));
      output_norm.forward(on, p.output_norm, read_only(y), k.output_norm, y);
    }
  }

  /// dx [tokens, width] from dy, which is used up and may not overlap it, and from what losses want of the
  /// attention. Gradients of the parameters are added to `d`.
  template <launchable E, class T, backend B = backend_of<E>>
  void backward(const E& on, const parameters<const T, B>& p, const batch_layout<B>& batch, const pass_mode& mode,
                std::uint32_t site, view<const T, 2, B> x, const kept<T, B>& k, view<T, 2, B> dy,
                const attention_wishes<T, B>& wanted, const parameters<T, B>& d, arena& memory,
                view<T, 2, B> dx) const {
    const auto mark = memory.here();
    const view<T, 2, B> branch = memory.matrix<T>(dy.extent(0), dy.extent(1));
    const view<T, 2, B> through = memory.matrix<T>(dy.extent(0), dy.extent(1));
    if constexpr (Placement::first) {
      copy_dropped(on, mode, site + 2, read_only(dy), branch);
      forward_net.backward(on, p.forward_net, read_only(k.middle), k.forward_net, read_only(branch), d.forward_net,
                           memory, through);
      output_norm.backward(on, p.output_norm, k.output_norm, read_only(through), d.output_norm, through);
      ops::add(on, read_only(through), dy);
      copy_dropped(on, mode, site + 1, read_only(dy), branch);
      attention.backward(on, p.attention, batch, mode, site, read_only(k.normed_input), k.attention, read_only(branch),
                         wanted, d.attention, memory, dx);
      attention_norm.backward(on, p.attention_norm, k.attention_norm, read_only(dx), d.attention_norm, dx);
      ops::add(on, read_only(dy), dx);
    } else {
      output_norm.backward(on, p.output_norm, k.output_norm, read_only(dy), d.output_norm, dy);
      copy_dropped(on, mode, site + 2, read_only(dy), branch);
      forward_net.backward(on, p.forward_net, read_only(k.middle), k.forward_net, read_only(branch), d.forward_net,
                           memory, through);
      ops::add(on, read_only(dy), through);
      attention_norm.backward(on, p.attention_norm, k.attention_norm, read_only(through), d.attention_norm, through);
      copy_dropped(on, mode, site + 1, read_only(through), branch);
      attention.backward(on, p.attention, batch, mode, site, x, k.attention, read_only(branch), wanted, d.attention,
                         memory, dx);
      ops::add(on, read_only(through), dx);
    }
    memory.rewind(mark);
  }

 private:
  /// y = residual + dropout(y).
  template <class E, class T, backend B>
  static void add_dropped(const E& on, const pass_mode& mode, std::uint32_t site, view<T, 2, B> y,
                          view<const T, 2, B> residual) {
    ops::dropout(on, mode.dropout, mode.at(site), y);
    ops::add(on, residual, y);
  }
  /// to = dropout(from): what flows back through a dropout, beside the residual path.
  template <class E, class T, backend B>
  static void copy_dropped(const E& on, const pass_mode& mode, std::uint32_t site, view<const T, 2, B> from,
                           view<T, 2, B> to) {
    ops::copy(on, from, to);
    ops::dropout(on, mode.dropout, mode.at(site), to);
  }
};

}  // namespace limbeck
