// Dropout on the host.
#pragma once

#include <algorithm>
#include <cstdint>

#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/philox.hpp"

namespace limbeck::ops::detail {

/// Words below this are dropped.
[[nodiscard]] inline std::uint32_t drop_below(double rate) {
  return static_cast<std::uint32_t>(std::min(rate * 0x1p32, 0x1p32 - 1));
}

/// Drops elements of one run of memory. Element i takes word i % 4 at position `first` + i / 4.
template <class T>
void dropout_run(std::uint32_t threshold, T scale, const random_stream& stream, std::uint32_t first, T* x,
                 index count) {
  for (index i = 0; i < count; i += 4) {
    const random_words words = stream.at(first + static_cast<std::uint32_t>(i / 4));
    const index here = std::min<index>(4, count - i);
    for (index k = 0; k < here; ++k) x[i + k] = words.word[k] < threshold ? T(0) : x[i + k] * scale;
  }
}

template <class Provider, class T>
void dropout_rows(cpu, const cpu_executor<Provider>& on, double rate, const random_stream& stream, view<T, 2> x) {
  const std::uint32_t threshold = drop_below(rate);
  const T scale = static_cast<T>(1 / (1 - rate));
  const auto words = static_cast<std::uint32_t>((x.extent(1) + 3) / 4);  // positions a row
  parallel_for(on.threads, x.extent(0), index{1 << 14} / (x.extent(1) + 1) + 1, [&](index begin, index end) {
    for (index row = begin; row < end; ++row)
      dropout_run(threshold, scale, stream, static_cast<std::uint32_t>(row) * words, &x(row, 0), x.extent(1));
  });
}

}  // namespace limbeck::ops::detail
