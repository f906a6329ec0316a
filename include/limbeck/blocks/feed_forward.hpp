// The position-wise half of a transformer layer.
#pragma once

#include "limbeck/backend/arena.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/ops/activated_linear.hpp"

namespace limbeck {

/// y = W2 activation(W1 x + b1) + b2 for each token (Vaswani et al. 2017, arXiv:1706.03762, 3.3).
template <class Activation = gelu>
struct feed_forward {
  index width, inner;  ///< of a token; of the hidden row, mostly 4 * width
  [[no_unique_address]] Activation activation{};

  template <class T, backend B = cpu>
  struct parameters {
    view<T, 2, B> w1, w2;  ///< [inner, width], [width, inner]
    view<T, 1, B> b1, b2;  ///< [inner], [width]
  };

  /// What the backward pass needs: the hidden row before and after the activation, [tokens, inner].
  template <class T, backend B = cpu>
  struct kept {
    view<T, 2, B> before, after;
  };
  /// Without `keeps` the hidden row has one place: an inference needs no more.
  template <class T, backend B>
  [[nodiscard]] kept<T, B> keep(basic_arena<B>& memory, index tokens, bool keeps = true) const {
    const view<T, 2, B> before = memory.template matrix<T>(tokens, inner);
    return {before, keeps ? memory.template matrix<T>(tokens, inner) : before};
  }

  /// x, y: [tokens, width]; they may be the same memory.
  template <launchable E, class T, backend B = backend_of<E>>
  void forward(const E& on, const parameters<const T, B>& p, view<const T, 2, B> x, const kept<T, B>& k,
               view<T, 2, B> y) const {
    ops::activated_linear(on, activation, x, p.w1, p.b1, k.before, k.after);
    ops::linear(on, read_only(k.after), p.w2, p.b2, y);
  }

  /// dx [tokens, width] is written, or, with `add`, added to; gradients of the parameters are added to `d`.
  template <launchable E, class T, backend B = backend_of<E>>
  void backward(const E& on, const parameters<const T, B>& p, view<const T, 2, B> x, const kept<T, B>& k,
                view<const T, 2, B> dy, const parameters<T, B>& d, basic_arena<B>& memory, view<T, 2, B> dx,
                bool add = false) const {
    const auto mark = memory.here();
    const view<T, 2, B> dhidden = memory.template matrix<T>(dy.extent(0), inner);
    ops::linear_backward(on, read_only(k.after), p.w2, dy, d.w2, d.b2, view<T, 2, B>{});
    ops::activated_linear_backward(on, activation, dy, p.w2, read_only(k.before), d.b1, dhidden);
    ops::linear_backward(on, x, p.w1, read_only(dhidden), d.w1, view<T, 1, B>{}, dx, add);
    memory.rewind(mark);
  }
};

}  // namespace limbeck
