// Dropout whose mask is a function of a random stream and of the place, so it is recomputed and never stored.
#pragma once

#include <cstdint>

#include "limbeck/core/executors.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/core/view.hpp"
#if defined(__CUDACC__)
#include "limbeck/ops/dropout_cuda.hpp"
#else
#include "limbeck/ops/dropout_cpu.hpp"
#endif

namespace limbeck::ops {

/// y = mask * x / (1 - rate), for x and y [rows, columns] whose rows have no gaps (Srivastava et al. 2014, JMLR 15); y
/// may be x. An element is dropped with probability `rate`; the mask of element i of row r is a function of the stream
/// and of (r, i) alone. Applied to a gradient with the same stream it is its own backward pass. Rate 0 drops nothing.
/// Throws contract_error unless 0 <= rate < 1 and the shapes agree.
template <launchable E, class T, backend B = backend_of<E>>
void dropout(const E& on, double rate, const random_stream& stream, view<const T, 2, B> x, view<T, 2, B> y) {
  expects_one_shape("dropout", x, y);
  detail::dropout_rows(B{}, on, detail::dropping<T>(rate, stream), x, {}, y);
}

/// The same in place.
template <launchable E, class T, backend B = backend_of<E>>
void dropout(const E& on, double rate, const random_stream& stream, view<T, 2, B> x) {
  const detail::dropping<T> d(rate, stream);
  if (!d.none()) detail::dropout_rows(B{}, on, d, read_only(x), {}, x);
}

/// y = residual + dropout(x), all of one shape. y may be x or residual.
template <launchable E, class T, backend B = backend_of<E>>
void add_dropped(const E& on, double rate, const random_stream& stream, view<const T, 2, B> x,
                 view<const T, 2, B> residual, view<T, 2, B> y) {
  expects_one_shape("add_dropped", x, y);
  expects_one_shape("add_dropped", residual, y);
  detail::dropout_rows(B{}, on, detail::dropping<T>(rate, stream), x, residual, y);
}

}  // namespace limbeck::ops
