// Where the largest number of a row stands.
#pragma once

#include <cstdint>

#include "limbeck/core/error.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"
#if defined(__CUDACC__)
#include "limbeck/ops/argmax_cuda.hpp"
#else
#include "limbeck/ops/argmax_cpu.hpp"
#endif

namespace limbeck::ops {

/// to[r] = the column of the largest number in row r, the first of equals. `of`: [rows, columns], columns side by side.
/// Throws contract_error where it has no column or `to` is not [rows].
template <launchable E, class T, backend B = backend_of<E>>
void argmax(const E& on, view<const T, 2, B> of, view<std::int32_t, 1, B> to) {
  expects(to.extent(0) == of.extent(0) && of.extent(1) > 0 && (of.stride(1) == 1 || of.extent(1) == 1),
          [&] { return message("argmax: ", to.extent(0), " places for rows of ", shape_text(of)); });
  detail::argmax_of_rows(B{}, on, of, to);
}

}  // namespace limbeck::ops
