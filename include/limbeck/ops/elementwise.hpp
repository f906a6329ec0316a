// Sums, copies and constants, element by element.
#pragma once

#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/ops/element_formulas.hpp"
#include "limbeck/ops/sweep.hpp"
#if defined(__CUDACC__)
#include "limbeck/ops/elementwise_cuda.hpp"
#else
#include "limbeck/ops/elementwise_cpu.hpp"
#endif

namespace limbeck::ops {

/// y += x, for matrices of one shape whose rows have no gaps. Throws contract_error where the shapes differ.
template <launchable E, class T, backend B = backend_of<E>>
void add(const E& on, view<const T, 2, B> x, view<T, 2, B> y) {
  expects_one_shape("add", x, y);
  detail::sweep(on, detail::sum_of_two{}, y, x, read_only(y));
}

/// y = x, for matrices of one shape whose rows have no gaps. Throws contract_error where the shapes differ.
template <launchable E, class T, backend B = backend_of<E>>
void copy(const E& on, view<const T, 2, B> x, view<T, 2, B> y) {
  expects_one_shape("copy", x, y);
  detail::copy_rows(B{}, on, x, y);
}

/// y = value, for a matrix whose rows have no gaps.
template <launchable E, class T, backend B = backend_of<E>>
void fill(const E& on, T value, view<T, 2, B> y) {
  detail::fill_rows(B{}, on, value, y);
}

/// y = value.
template <launchable E, class T, backend B = backend_of<E>>
void fill(const E& on, T value, view<T, 1, B> y) {
  detail::fill_rows(B{}, on, value, view<T, 2, B>(y.data(), 1, y.extent(0)));
}

}  // namespace limbeck::ops
