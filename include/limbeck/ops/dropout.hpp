// Dropout whose mask is a function of a random stream and of the place, so it is recomputed and never stored.
#pragma once

#include <cstdint>

#include "limbeck/core/executors.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/ops/dropout_cpu.hpp"

namespace limbeck::ops {

/// x = mask * x / (1 - rate), in place, for x of one or more rows without gaps (Srivastava et al. 2014, JMLR 15). An
/// element is dropped with probability `rate`; the mask of element i of row r is a function of the stream and of
/// (r, i) alone. Applied to a gradient with the same stream it is its own backward pass. Rate 0 does nothing. Throws
/// contract_error unless 0 <= rate < 1.
template <launchable E, class T, backend B = backend_of<E>>
void dropout(const E& on, double rate, const random_stream& stream, view<T, 2, B> x) {
  expects(rate >= 0 && rate < 1, "dropout: the rate must be at least 0 and below 1");
  if (rate == 0) return;
  detail::dropout_rows(B{}, on, rate, stream, x);
}

}  // namespace limbeck::ops
