// The matrix product on a device.
#pragma once

#include "limbeck/backend/cublas_lt.hpp"
#include "limbeck/backend/cuda_executor.hpp"
#include "limbeck/ops/elementwise_cuda.hpp"
#include "limbeck/ops/sweep_cuda.hpp"

namespace limbeck::ops::detail {

[[nodiscard]] inline cublas_lt& library_of_products(const cuda_executor& on) {
  expects(on.context != nullptr, "matmul: the executor has no cuda_context, which keeps what cuBLASLt needs");
  return on.context->library<cublas_lt>();
}

/// c = alpha a b + beta c, + bias in each row where it is not null; c's rows have no gaps, and it is not empty.
template <class T>
void multiply_to_rows(const cuda_executor& on, T alpha, view<const T, 2, cuda> a, view<const T, 2, cuda> b, T beta,
                      view<T, 2, cuda> c, const T* bias = nullptr) {
  library_of_products(on).multiply(on, alpha, a, b, beta, c, {.bias = bias});
}

template <class T>
struct multiple_of {
  T factor;
  LIMBECK_HD T operator()(T x) const { return factor * x; }
};
/// c = beta c: the product of nothing.
template <class T>
void scale(const cuda_executor& on, T beta, view<T, 2, cuda> c) {
  if (beta == T(0))
    fill_rows(cuda{}, on, T(0), c);
  else if (beta != T(1))
    sweep(on, multiple_of<T>{beta}, c, read_only(c));
}

template <class T>
void multiply(cuda, const cuda_executor& on, T alpha, view<const T, 2, cuda> a, view<const T, 2, cuda> b, T beta,
              view<T, 2, cuda> c) {
  const bool by_rows = c.stride(1) == 1 || c.extent(1) == 1;
  if (a.extent(1) == 0)
    scale(on, beta, by_rows ? c : transposed(c));
  else if (by_rows)
    multiply_to_rows(on, alpha, a, b, beta, c);
  else  // c' = b' a'
    multiply_to_rows(on, alpha, transposed(b), transposed(a), beta, transposed(c));
}

}  // namespace limbeck::ops::detail
