// Dropout on the host.
#pragma once

#include <cstdint>

#include "limbeck/backend/philox_vectors.hpp"
#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/ops/dropping.hpp"

namespace limbeck::ops::detail {

/// factor[i] = 0 or scale for 0 <= i < count; element i takes word i % 4 at position `first` + i / 4. What lies behind,
/// up to the next multiple of 32, is overwritten.
template <int Bytes, class T>
LIMBECK_HD void dropout_factors(const dropping<T>& d, std::uint32_t first, index count, T* factor) {
  using V = simd_of_bytes<T, Bytes>;
  constexpr index batch = philox_words<Bytes>;
  alignas(64) std::uint32_t words[batch];
  for (index i = 0; i < count; i += batch) {
    philox_run<Bytes>(d.stream, first + static_cast<std::uint32_t>(i / 4), words);
    for (index k = 0; k < batch; k += V::width)
      store(factor + i + k, where(words_below<V>(words + k, d.threshold), V(T(0)), V(d.scale)));
  }
}

/// x times a factor of dropout; 0 where it is 0, even if x is NaN.
template <class V>
LIMBECK_HD V dropped(const V& x, const V& factor) {
  return where(factor > V(0), x * factor, V(0));
}

/// y = dropout(x), or base + dropout(x) where base is not null, for one row whose words start at position `first`. y
/// may be x or base.
template <int Bytes, class T>
LIMBECK_HD void dropout_row(const dropping<T>& d, std::uint32_t first, index count, const T* x, const T* base, T* y) {
  using V = simd_of_bytes<T, Bytes>;
  constexpr index batch = philox_words<Bytes>;
  alignas(64) T factor[batch];
  for (index k = 0; k < batch; ++k) factor[k] = T(1);
  for (index i = 0; i < count; i += batch) {
    if (!d.none()) dropout_factors<Bytes>(d, first + static_cast<std::uint32_t>(i / 4), batch, factor);
    for (index k = 0; k < batch && i + k < count; k += V::width) {
      const index at = i + k, here = count - at;
      const V kept = dropped(load_part<V>(x + at, here, T(0)), load<V>(factor + k));
      store_part(y + at, here, base == nullptr ? kept : load_part<V>(base + at, here, T(0)) + kept);
    }
  }
}

struct dropout_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const dropping<T>& d, index first_row, const view<const T, 2>& x,
                             const view<const T, 2>& base, const view<T, 2>& y) {
    for (index r = 0; r < x.extent(0); ++r)
      dropout_row<Bytes>(d, d.row_start(first_row + r, x.extent(1)), x.extent(1), x.data() + r * x.stride(0),
                         base.empty() ? nullptr : base.data() + r * base.stride(0), y.data() + r * y.stride(0));
  }
};

/// y = dropout(x), or base + dropout(x) where base is not empty.
template <class Provider, class T>
void dropout_rows(cpu, const cpu_executor<Provider>& on, const dropping<T>& d, view<const T, 2> x,
                  view<const T, 2> base, view<T, 2> y) {
  parallel_for(on.threads, x.extent(0), index{1 << 14} / (x.extent(1) + 1) + 1, [&](index begin, index end) {
    const index count = end - begin;
    simd_dispatch<dropout_kernel>(d, begin, row_block(x, begin, count),
                                  base.empty() ? base : row_block(base, begin, count), row_block(y, begin, count));
  });
}

}  // namespace limbeck::ops::detail
