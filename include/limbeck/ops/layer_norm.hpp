// Layer normalisation of each row.
#pragma once

#include <string>

#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/ops/layer_norm_cpu.hpp"

namespace limbeck::ops {

/// y = gain * (x - mean) / sqrt(variance + epsilon) + bias of each row of x [rows, width] (Ba et al. 2016,
/// arXiv:1607.06450). y may be x. `spread` [rows] receives 1 / sqrt(variance + epsilon), `normalised` [rows, width] the
/// row before gain and bias: what the backward pass needs; either may be empty.
template <launchable E, class T, backend B = backend_of<E>>
void layer_norm(const E& on, double epsilon, view<const T, 2, B> x, view<const T, 1, B> gain, view<const T, 1, B> bias,
                view<T, 2, B> normalised, view<T, 1, B> spread, view<T, 2, B> y) {
  expects(gain.extent(0) == x.extent(1) && bias.extent(0) == x.extent(1), [&] {
    return message("layer_norm: gain ", shape_text(gain), " and bias ", shape_text(bias), " for rows of ", x.extent(1));
  });
  detail::layer_norm_rows(B{}, on, static_cast<T>(epsilon), x, gain, bias, normalised, spread, y);
}

/// What flows back through layer_norm(): dx (may be dy), and dgain += and dbias += where not empty.
template <launchable E, class T, backend B = backend_of<E>>
void layer_norm_backward(const E& on, view<const T, 2, B> normalised, view<const T, 1, B> spread,
                         view<const T, 1, B> gain, view<const T, 2, B> dy, view<T, 1, B> dgain, view<T, 1, B> dbias,
                         view<T, 2, B> dx) {
  if (!dgain.empty()) detail::layer_norm_parameters(B{}, on, normalised, dy, dgain, dbias);
  detail::layer_norm_rows_backward(B{}, on, normalised, spread, gain, dy, dx);
}

}  // namespace limbeck::ops
