// Rows of a table picked by number, and the gradient of that table.
#pragma once

#include <cstdint>
#include <string>

#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"
#if defined(__CUDACC__)
#include "limbeck/ops/embedding_cuda.hpp"
#else
#include "limbeck/ops/embedding_cpu.hpp"
#endif

namespace limbeck::ops {
namespace detail {

template <class T, class U, backend B>
void expects_row_shape(const char* what, const view<T, 2, B>& table, const view<const std::int32_t, 1, B>& ids,
                       const view<U, 2, B>& rows) {
  expects(rows.extent(0) == ids.extent(0) && rows.extent(1) == table.extent(1), [&] {
    return message(what, ": rows ", shape_text(rows), " for ", ids.extent(0), " ids and a table ", shape_text(table));
  });
}

}  // namespace detail

/// y[i] = table[ids[i]], or y[i] += with `add`, for table [entries, width], ids [count], y [count, width]. Throws
/// contract_error where the shapes do not fit, and, naming the place, where a number is not in the table (on a device
/// such a row becomes NaN: nobody looks at it without waiting).
template <launchable E, class T, backend B = backend_of<E>>
void gather_rows(const E& on, view<const T, 2, B> table, view<const std::int32_t, 1, B> ids, view<T, 2, B> y,
                 bool add = false) {
  detail::expects_row_shape("gather_rows", table, ids, y);
  detail::expects_rows(B{}, table.extent(0), ids);
  detail::gather(B{}, on, table, ids, y, add);
}

/// dtable[ids[i]] += dy[i], in the order of i, so the bits do not depend on the thread count. Rows equal to `skip` get
/// nothing (a padding entry; -1: none). Throws as gather_rows() does.
template <launchable E, class T, backend B = backend_of<E>>
void scatter_rows(const E& on, view<const T, 2, B> dy, view<const std::int32_t, 1, B> ids, view<T, 2, B> dtable,
                  std::int32_t skip = -1) {
  detail::expects_row_shape("scatter_rows", dtable, ids, dy);
  detail::expects_rows(B{}, dtable.extent(0), ids);
  detail::scatter(B{}, on, dy, ids, dtable, skip);
}

}  // namespace limbeck::ops
