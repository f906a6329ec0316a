// Philox in vectors: the words of core/philox.hpp, many positions of a stream at a time.
#pragma once

#include <cstdint>
#include <utility>

#include "limbeck/backend/simd_vector.hpp"
#include "limbeck/core/philox.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

namespace limbeck {

/// How many words philox_run() makes with vectors of `Bytes` bytes.
template <int Bytes>
inline constexpr std::ptrdiff_t philox_words = Bytes / 2;

namespace detail {

/// A word of each of several positions, in integers of 64 bits whose upper halves are 0.
template <int Bytes>
struct philox_lanes {
  typedef std::uint64_t vector __attribute__((vector_size(Bytes)));
  vector word[4];
};

template <int Bytes>
LIMBECK_HD void philox_round(philox_lanes<Bytes>& x, std::uint32_t low, std::uint32_t high) {
  using vector = typename philox_lanes<Bytes>::vector;
  const vector none{}, a = x.word[0] * (std::uint64_t{0xD2511F53U} + none),
                       b = x.word[2] * (std::uint64_t{0xCD9E8D57U} + none);
  const vector kept = std::uint64_t{0xFFFFFFFFU} + none;
  x.word[0] = (b >> 32) ^ x.word[1] ^ (std::uint64_t{low} + none);
  x.word[1] = b & kept;
  x.word[2] = (a >> 32) ^ x.word[3] ^ (std::uint64_t{high} + none);
  x.word[3] = a & kept;
}

/// The counters of positions first, first + 1 ...
template <int Bytes, int... I>
LIMBECK_HD philox_lanes<Bytes> philox_counters(const random_stream& stream, std::uint32_t first,
                                               std::integer_sequence<int, I...>) {
  using vector = typename philox_lanes<Bytes>::vector;
  const vector none{}, kept = std::uint64_t{0xFFFFFFFFU} + none, lane = {static_cast<std::uint64_t>(I)...};
  philox_lanes<Bytes> x;
  x.word[0] = (lane + std::uint64_t{first}) & kept;
  x.word[1] = std::uint64_t{stream.site} + none;
  const std::uint64_t step = stream.step_now();
  x.word[2] = (step & 0xFFFFFFFFU) + none;
  x.word[3] = (step >> 32) + none;
  return x;
}

template <int Bytes, int... I>
LIMBECK_HD void philox_interleave(const philox_lanes<Bytes>& x, std::uint32_t* words,
                                  std::integer_sequence<int, I...>) {
  using vector = typename philox_lanes<Bytes>::vector;
  constexpr int lanes = Bytes / 8;
  const vector front = x.word[0] | (x.word[1] << 32), back = x.word[2] | (x.word[3] << 32);
  const vector first = __builtin_shufflevector(front, back, (I / 2 + (I % 2) * lanes)...);
  const vector second = __builtin_shufflevector(front, back, (lanes / 2 + I / 2 + (I % 2) * lanes)...);
  __builtin_memcpy(words, &first, sizeof first);
  __builtin_memcpy(words + Bytes / 4, &second, sizeof second);
}

}  // namespace detail

/// The words of positions first, first + 1 ... of a stream, position by position: philox_words<Bytes> of them.
template <int Bytes>
LIMBECK_HD void philox_run(const random_stream& stream, std::uint32_t first, std::uint32_t* words) {
  constexpr auto lanes = std::make_integer_sequence<int, Bytes / 8>{};
  detail::philox_lanes<Bytes> x = detail::philox_counters<Bytes>(stream, first, lanes);
  auto low = static_cast<std::uint32_t>(stream.seed), high = static_cast<std::uint32_t>(stream.seed >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    detail::philox_round(x, low, high);
    low += 0x9E3779B9U;
    high += 0xBB67AE85U;
  }
  detail::philox_interleave(x, words, lanes);
}

/// True in the lanes whose word is below `threshold`: V::width words from `words` on.
template <class V>
LIMBECK_HD typename V::mask words_below(const std::uint32_t* words, std::uint32_t threshold) {
  typedef std::uint32_t packed __attribute__((vector_size(V::width * 4)));
  packed there;
  __builtin_memcpy(&there, words, sizeof there);
  // both sides move down by 2^31, so that a comparison of signed numbers orders them
  typedef std::int32_t moved __attribute__((vector_size(V::width * 4)));
  const auto limit = static_cast<typename V::mask::integer>(static_cast<std::int32_t>(threshold ^ 0x80000000U));
  using integers = typename V::mask::vector;
  return typename V::mask(__builtin_convertvector((moved)(there ^ 0x80000000U), integers) < limit + integers{});
}

}  // namespace limbeck

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
