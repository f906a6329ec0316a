// Where the largest number of a row stands, on the host.
#pragma once

#include <algorithm>
#include <cstdint>

#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck::ops::detail {

template <class Provider, class T>
void argmax_of_rows(cpu, const cpu_executor<Provider>& on, view<const T, 2> of, view<std::int32_t, 1> to) {
  constexpr index worth_a_thread = 1 << 16;  // numbers
  parallel_for(on.threads, of.extent(0), worth_a_thread / of.extent(1) + 1, [&](index first, index last) {
    for (index r = first; r < last; ++r) {
      const T* const row = &of(r, 0);
      to(r) = static_cast<std::int32_t>(std::max_element(row, row + of.extent(1)) - row);
    }
  });
}

}  // namespace limbeck::ops::detail
