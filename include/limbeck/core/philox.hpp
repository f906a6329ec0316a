// Counter-based random numbers: the n-th number of a stream is a function of n, so masks are recomputed, never stored.
#pragma once

#include <cstdint>

#include "limbeck/core/config.hpp"

namespace limbeck {

/// Four random words.
struct random_words {
  std::uint32_t word[4];
};

/// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", table 2): the words at `counter`
/// of the stream named by `key`. The same bits on every backend.
[[nodiscard]] LIMBECK_HD constexpr random_words philox(const random_words& counter, std::uint64_t key) {
  random_words x = counter;
  std::uint32_t low = static_cast<std::uint32_t>(key), high = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53U} * x.word[0], b = std::uint64_t{0xCD9E8D57U} * x.word[2];
    x = {{static_cast<std::uint32_t>(b >> 32) ^ x.word[1] ^ low, static_cast<std::uint32_t>(b),
          static_cast<std::uint32_t>(a >> 32) ^ x.word[3] ^ high, static_cast<std::uint32_t>(a)}};
    low += 0x9E3779B9U;
    high += 0xBB67AE85U;
  }
  return x;
}

/// A named stream of random numbers: `seed` names the run, `step` the forward pass, `site` the place in the model. Two
/// streams that differ in any of them are independent.
struct random_stream {
  std::uint64_t seed = 0, step = 0;
  std::uint32_t site = 0;
  const std::uint64_t* step_from = nullptr;  ///< where the step lies instead, for those who draw; null: it is `step`

  [[nodiscard]] LIMBECK_HD constexpr std::uint64_t step_now() const { return step_from == nullptr ? step : *step_from; }
  /// The four words at `position`.
  [[nodiscard]] LIMBECK_HD constexpr random_words at(std::uint32_t position) const {
    const std::uint64_t now = step_now();
    return philox({{position, site, static_cast<std::uint32_t>(now), static_cast<std::uint32_t>(now >> 32)}}, seed);
  }
};

/// A number in (0, 1), from the upper bits of a word.
[[nodiscard]] LIMBECK_HD constexpr double unit_interval(std::uint32_t word) {
  return (static_cast<double>(word) + 0.5) * 0x1p-32;
}

}  // namespace limbeck
