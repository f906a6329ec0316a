// An affine map with its activation function, and the way back into it: one pass over memory less where the library of
// products applies the function to what it has just multiplied.
#pragma once

#include "limbeck/ops/activation.hpp"
#include "limbeck/ops/linear.hpp"
#include "limbeck/ops/product_epilogue.hpp"
#if defined(__CUDACC__)
#include "limbeck/ops/activated_linear_cuda.hpp"
#endif

namespace limbeck::ops {

/// before = x W' + bias, after = activation(before), for x [rows, in], W [out, in], bias [out] or empty, before and
/// after [rows, out] whose rows have no gaps. after may be before: then only the activation is left. Throws
/// contract_error where the shapes do not fit.
template <launchable E, class Activation, class T, backend B = backend_of<E>>
void activated_linear(const E& on, const Activation& activation, view<const T, 2, B> x, view<const T, 2, B> weight,
                      view<const T, 1, B> bias, view<T, 2, B> before, view<T, 2, B> after) {
  using epilogue = detail::product_epilogue<B, Activation, T>;
  if constexpr (epilogue::known) {
    expects_one_shape("activated_linear", before, after);
    detail::expects_product(x, transposed(weight), after);
    expects(bias.empty() || bias.extent(0) == after.extent(1), [&] {
      return message("activated_linear: bias ", shape_text(bias), " does not fit the result ", shape_text(after));
    });
    if (after.count() > 0 && x.extent(1) > 0 && epilogue::forward(on, x, transposed(weight), bias, before, after))
      return;
  }
  matmul(on, x, transposed(weight), before);
  transform_biased(on, activation, bias, before, after);
}

/// What flows back from a linear map into the activation of another: dbefore = (dy W) * activation'(before), and
/// dbias += the sums of its columns, skipped where empty, for dy [rows, out], W [out, in], before and dbefore
/// [rows, in] whose rows have no gaps, dbias [in]. Throws contract_error where the shapes do not fit.
template <launchable E, class Activation, class T, backend B = backend_of<E>>
void activated_linear_backward(const E& on, const Activation& activation, view<const T, 2, B> dy,
                               view<const T, 2, B> weight, view<const T, 2, B> before, view<T, 1, B> dbias,
                               view<T, 2, B> dbefore) {
  using epilogue = detail::product_epilogue<B, Activation, T>;
  if constexpr (epilogue::known) {
    expects_one_shape("activated_linear_backward", before, dbefore);
    detail::expects_product(dy, weight, dbefore);
    expects(dbias.empty() || dbias.extent(0) == before.extent(1), [&] {
      return message("activated_linear_backward: gradient of the bias ", shape_text(dbias), " for ",
                     shape_text(before));
    });
    if (dbefore.count() > 0 && dy.extent(1) > 0 && epilogue::backward(on, dy, weight, before, dbias, dbefore)) return;
  }
  matmul(on, dy, weight, dbefore);
  transform_backward(on, activation, before, read_only(dbefore), dbefore);
  if (!dbias.empty()) add_column_sums(on, read_only(dbefore), dbias);
}

}  // namespace limbeck::ops
