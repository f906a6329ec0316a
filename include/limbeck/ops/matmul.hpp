// Matrix product: c = alpha a b + beta c.
#pragma once

#include <string>

#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"
#if defined(__CUDACC__)
#include "limbeck/ops/matmul_cuda.hpp"
#else
#include "limbeck/ops/matmul_cpu.hpp"
#endif

namespace limbeck::ops {
namespace detail {

template <class T, backend B>
void expects_unit_stride(const char* which, view<T, 2, B> v) {
  expects(v.stride(1) == 1 || v.stride(0) == 1 || v.count() <= 1, [&] {
    return message("matmul: ", which, " has no stride of 1: strides [", v.stride(0), ", ", v.stride(1), "]");
  });
}
template <class T, backend B>
void expects_product(view<const T, 2, B> a, view<const T, 2, B> b, view<T, 2, B> c) {
  expects(a.extent(0) == c.extent(0) && a.extent(1) == b.extent(0) && b.extent(1) == c.extent(1), [&] {
    return message("matmul: ", shape_text(a), " times ", shape_text(b), " does not give ", shape_text(c));
  });
  expects_unit_stride("the left factor", a);
  expects_unit_stride("the right factor", b);
  expects_unit_stride("the product", c);
}

}  // namespace detail

/// c = alpha a b + beta c, for a [rows, inner], b [inner, columns], c [rows, columns], by the executor's provider (on a
/// device cuBLASLt, through the executor's context). A transposed operand is a transposed() view. With beta = 0 what c
/// held is not read. On the host one result for every thread count, as long as the provider's product of a slab of rows
/// or columns does not depend on the others. Throws contract_error where shapes do not fit, no stride of a matrix is 1,
/// or a CUDA executor has no context.
template <launchable E, class T, backend B = backend_of<E>>
void matmul(const E& on, view<const T, 2, B> a, view<const T, 2, B> b, view<T, 2, B> c, T alpha = T(1), T beta = T(0)) {
  detail::expects_product(a, b, c);
  if (c.count() == 0) return;
  ops::detail::multiply(B{}, on, alpha, a, b, beta, c);
}

}  // namespace limbeck::ops
