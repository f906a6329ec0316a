// Layer normalisation of each row.
#pragma once

#include <string>

#include "limbeck/core/executors.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/core/view.hpp"
#if defined(__CUDACC__)
#include "limbeck/ops/layer_norm_cuda.hpp"
#else
#include "limbeck/ops/layer_norm_cpu.hpp"
#endif

namespace limbeck::ops {

namespace detail {

template <class T, backend B>
void expects_norm(view<const T, 1, B> gain, view<const T, 1, B> bias, index width) {
  expects(gain.extent(0) == width && bias.extent(0) == width, [&] {
    return message("layer_norm: gain ", shape_text(gain), " and bias ", shape_text(bias), " for rows of ", width);
  });
}

}  // namespace detail

/// y = gain * (x - mean) / sqrt(variance + epsilon) + bias of each row of x [rows, width] (Ba et al. 2016,
/// arXiv:1607.06450). y may be x. `spread` [rows] receives 1 / sqrt(variance + epsilon), `normalised` [rows, width] the
/// row before gain and bias: what the backward pass needs; either may be empty.
template <launchable E, class T, backend B = backend_of<E>>
void layer_norm(const E& on, double epsilon, view<const T, 2, B> x, view<const T, 1, B> gain, view<const T, 1, B> bias,
                view<T, 2, B> normalised, view<T, 1, B> spread, view<T, 2, B> y) {
  detail::expects_norm(gain, bias, x.extent(1));
  detail::layer_norm_rows(B{}, on, detail::norm_input<T, B>{x}, static_cast<T>(epsilon), gain, bias, normalised, spread,
                          y);
}

/// y = layer_norm(residual + dropout(x)) in one sweep: what ends each half of a post-norm layer. y may be x, not
/// residual.
template <launchable E, class T, backend B = backend_of<E>>
void residual_layer_norm(const E& on, double rate, const random_stream& stream, double epsilon, view<const T, 2, B> x,
                         view<const T, 2, B> residual, view<const T, 1, B> gain, view<const T, 1, B> bias,
                         view<T, 2, B> normalised, view<T, 1, B> spread, view<T, 2, B> y) {
  detail::expects_norm(gain, bias, x.extent(1));
  expects_one_shape("residual_layer_norm", x, residual);
  detail::layer_norm_rows(B{}, on, detail::norm_input<T, B>{x, residual, detail::dropping<T>(rate, stream)},
                          static_cast<T>(epsilon), gain, bias, normalised, spread, y);
}

/// What flows back through layer_norm(): dx (may be dy), and dgain += and dbias += where not empty.
template <launchable E, class T, backend B = backend_of<E>>
void layer_norm_backward(const E& on, view<const T, 2, B> normalised, view<const T, 1, B> spread,
                         view<const T, 1, B> gain, view<const T, 2, B> dy, view<T, 1, B> dgain, view<T, 1, B> dbias,
                         view<T, 2, B> dx) {
  if (!dgain.empty()) detail::layer_norm_parameters(B{}, on, normalised, dy, dgain, dbias);
  detail::layer_norm_rows_backward(B{}, on, normalised, spread, gain, dy, dx, detail::dropping<T>{}, view<T, 2, B>{});
}

/// What flows back through residual_layer_norm(): dresidual (may be dy) and dx.
template <launchable E, class T, backend B = backend_of<E>>
void residual_layer_norm_backward(const E& on, double rate, const random_stream& stream, view<const T, 2, B> normalised,
                                  view<const T, 1, B> spread, view<const T, 1, B> gain, view<const T, 2, B> dy,
                                  view<T, 1, B> dgain, view<T, 1, B> dbias, view<T, 2, B> dresidual, view<T, 2, B> dx) {
  if (!dgain.empty()) detail::layer_norm_parameters(B{}, on, normalised, dy, dgain, dbias);
  detail::layer_norm_rows_backward(B{}, on, normalised, spread, gain, dy, dresidual, detail::dropping<T>(rate, stream),
                                   dx);
}

}  // namespace limbeck::ops
