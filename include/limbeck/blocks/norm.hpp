// Layer normalisation as a block with weights.
#pragma once

#include <cstdint>

#include "limbeck/backend/arena.hpp"
#include "limbeck/blocks/pass.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/ops/layer_norm.hpp"

namespace limbeck {

/// Layer normalisation over the width (Ba et al. 2016, arXiv:1607.06450).
struct norm {
  index width;
  double epsilon = 1e-12;

  template <class T, backend B = cpu>
  struct parameters {
    view<T, 1, B> gain, bias;  ///< [width]
  };

  /// What the backward pass needs.
  template <class T, backend B = cpu>
  struct kept {
    view<T, 2, B> normalised;  ///< [tokens, width]
    view<T, 1, B> spread;      ///< [tokens]
  };
  /// Without `keeps` nothing is kept.
  template <class T, backend B>
  [[nodiscard]] kept<T, B> keep(basic_arena<B>& memory, index tokens, bool keeps = true) const {
    if (!keeps) return {};
    return {memory.template matrix<T>(tokens, width), memory.template vector<T>(tokens)};
  }

  /// x, y: [tokens, width]; they may be the same memory.
  template <launchable E, class T, backend B = backend_of<E>>
  void forward(const E& on, const parameters<const T, B>& p, view<const T, 2, B> x, const kept<T, B>& k,
               view<T, 2, B> y) const {
    ops::layer_norm(on, epsilon, x, p.gain, p.bias, k.normalised, k.spread, y);
  }
  /// The norm of residual + dropout(x). y may be x, not residual.
  template <launchable E, class T, backend B = backend_of<E>>
  void forward_residual(const E& on, const parameters<const T, B>& p, const pass_mode& mode, std::uint32_t site,
                        view<const T, 2, B> x, view<const T, 2, B> residual, const kept<T, B>& k,
                        view<T, 2, B> y) const {
    ops::residual_layer_norm(on, mode.dropout, mode.at(site), epsilon, x, residual, p.gain, p.bias, k.normalised,
                             k.spread, y);
  }

  /// dx may be dy; gradients of the parameters are added to `d`.
  template <launchable E, class T, backend B = backend_of<E>>
  void backward(const E& on, const parameters<const T, B>& p, const kept<T, B>& k, view<const T, 2, B> dy,
                const parameters<T, B>& d, view<T, 2, B> dx) const {
    ops::layer_norm_backward(on, read_only(k.normalised), read_only(k.spread), p.gain, dy, d.gain, d.bias, dx);
  }
  /// Through forward_residual(): dresidual (may be dy) and dx.
  template <launchable E, class T, backend B = backend_of<E>>
  void backward_residual(const E& on, const parameters<const T, B>& p, const pass_mode& mode, std::uint32_t site,
                         const kept<T, B>& k, view<const T, 2, B> dy, const parameters<T, B>& d,
                         view<T, 2, B> dresidual, view<T, 2, B> dx) const {
    ops::residual_layer_norm_backward(on, mode.dropout, mode.at(site), read_only(k.normalised), read_only(k.spread),
                                      p.gain, dy, d.gain, d.bias, dresidual, dx);
  }
};

}  // namespace limbeck
