// Picking rows of a table on the host; its gradient is split over columns, so every row adds up in one order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"

namespace limbeck::ops::detail {

inline void expects_rows(cpu, index entries, view<const std::int32_t, 1> ids) {
  for (index i = 0; i < ids.extent(0); ++i)
    expects(ids(i) >= 0 && ids(i) < entries, [&] {
      return message("embedding: id ", ids(i), " at place ", i, " is not in a table of ", entries, " rows");
    });
}

template <class Provider, class T>
void gather(cpu, const cpu_executor<Provider>& on, view<const T, 2> table, view<const std::int32_t, 1> ids,
            view<T, 2> y, bool add) {
  parallel_for(on.threads, y.extent(0), index{64}, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const T* from = &table(ids(i), 0);
      T* to = &y(i, 0);
      if (add)
        for (index c = 0; c < y.extent(1); ++c) to[c] += from[c];
      else
        std::copy_n(from, y.extent(1), to);
    }
  });
}

template <class Provider, class T>
void scatter(cpu, const cpu_executor<Provider>& on, view<const T, 2> dy, view<const std::int32_t, 1> ids,
             view<T, 2> dtable, std::int32_t skip) {
  parallel_for(on.threads, dtable.extent(1), index{32}, [&](index begin, index end) {
    for (index i = 0; i < dy.extent(0); ++i) {
      if (ids(i) == skip) continue;
      const T* from = &dy(i, 0);
      T* to = &dtable(ids(i), 0);
      for (index c = begin; c < end; ++c) to[c] += from[c];
    }
  });
}

}  // namespace limbeck::ops::detail
