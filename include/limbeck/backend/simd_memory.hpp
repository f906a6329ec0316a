// How vectors of numbers come from memory and go back to it, whatever type memory holds them in.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "limbeck/backend/simd_vector.hpp"
#include "limbeck/core/half.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

namespace limbeck {
namespace detail {

// W elements of S in a register.
template <class S, int W>
struct packed {
  typedef S type __attribute__((vector_size(W * sizeof(S))));
};
template <class S, int W>
using packed_t = typename packed<S, W>::type;

// The 16 bits of each element, as the low half of an integer of 32.
template <int W>
LIMBECK_HD simd_bits<float, W> short_bits(const void* p) {
  packed_t<std::uint16_t, W> there;
  __builtin_memcpy(&there, p, sizeof there);
  return {__builtin_convertvector(there, typename simd_bits<float, W>::vector)};
}
template <int W>
LIMBECK_HD simd<float, W> widened(const bfloat16* p) {
  return from_bits<float, W>({short_bits<W>(p).lanes << 16});
}
template <int W>
LIMBECK_HD simd<float, W> widened(const float16* p) {
  using V = simd<float, W>;
  const auto bits = short_bits<W>(p).lanes, size = bits & 0x7FFF;
  const V number = from_bits<float, W>({size << 13}) * V(0x1p112F);  // right for denormal numbers too
  const V endless = from_bits<float, W>({(size << 13) | 0x7F800000});
  const V unsigned_number = where(number >= V(65536.0F), endless, number);
  return from_bits<float, W>({bits_of(unsigned_number).lanes | ((bits & 0x8000) << 16)});
}
// Rounded to nearest, ties to even.
template <int W>
LIMBECK_HD void narrow(bfloat16* p, const simd<float, W>& v) {
  using V = simd<float, W>;
  const auto bits = bits_of(v).lanes;
  const V rounded = from_bits<float, W>({bits + 0x7FFF + ((bits >> 16) & 1)});
  const V kept = where(v == v, rounded, from_bits<float, W>({bits | 0x400000}));  // a NaN stays one
  const packed_t<std::uint16_t, W> out = __builtin_convertvector(bits_of(kept).lanes >> 16, packed_t<std::uint16_t, W>);
  __builtin_memcpy(static_cast<void*>(p), &out, sizeof out);
}
template <int W>
LIMBECK_HD void narrow(float16* p, const simd<float, W>& v) {
  for (int i = 0; i < W; ++i) p[i] = float16(v[i]);
}

}  // namespace detail

/// What memory may hold: float, double, bfloat16, float16.
template <class S>
concept storable = std::is_floating_point_v<S> || std::same_as<S, bfloat16> || std::same_as<S, float16>;

/// V::width elements that lie one after the other from p on.
template <class V, storable S>
[[nodiscard]] LIMBECK_HD V load(const S* p) {
  if constexpr (std::is_floating_point_v<S>) {
    detail::packed_t<S, V::width> there;
    __builtin_memcpy(&there, p, sizeof there);  // at any address: one instruction
    if constexpr (std::is_same_v<S, typename V::scalar>)
      return V(there);
    else
      return V(__builtin_convertvector(there, typename V::vector));
  } else {
    return V(__builtin_convertvector(detail::widened<V::width>(p).lanes, typename V::vector));
  }
}
template <storable S, class T, int W>
LIMBECK_HD void store(S* p, const simd<T, W>& v) {
  if constexpr (std::is_floating_point_v<S>) {
    detail::packed_t<S, W> out;
    if constexpr (std::is_same_v<S, T>)
      out = v.lanes;
    else
      out = __builtin_convertvector(v.lanes, detail::packed_t<S, W>);
    __builtin_memcpy(p, &out, sizeof out);
  } else {
    detail::narrow(p, simd<float, W>(__builtin_convertvector(v.lanes, typename simd<float, W>::vector)));
  }
}

namespace detail {

// Four numbers at an address that is a multiple of 16.
LIMBECK_HD void store_four_past_caches(float* p, const simd<float, 4>& v) {
#if defined(__clang__)
  __builtin_nontemporal_store(v.lanes, reinterpret_cast<simd<float, 4>::vector*>(p));
#elif defined(__x86_64__)
  __builtin_ia32_movntps(p, v.lanes);
#else
  store(p, v);
#endif
}

}  // namespace detail

/// store(), but the processor need not read the memory first nor keep it in its caches: for what is too large for them.
/// Only for floats, from an address on that is a multiple of 16; others are stored as ever.
template <storable S, class T, int W>
LIMBECK_HD void store_past_caches(S* p, const simd<T, W>& v) {
  if constexpr (!std::is_same_v<S, float> || !std::is_same_v<T, float> || W < 4) {
    store(p, v);
  } else if constexpr (W == 4) {
    detail::store_four_past_caches(p, v);
  } else {
    store_past_caches(p, detail::lower_half(v));
    store_past_caches(p + W / 2, detail::upper_half(v));
  }
}

/// Behind the last store_past_caches() of a thread, before others are told that the memory is written.
inline void finish_stores_past_caches() {
#if defined(__x86_64__)
  __builtin_ia32_sfence();
#endif
}

namespace detail {

// The first `count` < 2 * Piece elements, in pieces of fixed size: a loop would become a call of memcpy or worse.
template <int Piece, class T>
LIMBECK_HD void copy_first(T* to, const T* from, std::ptrdiff_t count) {
  const bool taken = (count & Piece) != 0;
  if (taken) __builtin_memcpy(to, from, Piece * sizeof(T));
  if constexpr (Piece > 1) copy_first<Piece / 2>(to + (taken ? Piece : 0), from + (taken ? Piece : 0), count);
}

}  // namespace detail

/// `count` elements from p on, `step` elements apart, and `fill` in the lanes behind them. 0 <= count <= V::width.
template <class V, storable S>
[[nodiscard]] LIMBECK_HD V load_part(const S* p, std::ptrdiff_t count, typename V::scalar fill,
                                     std::ptrdiff_t step = 1) {
  using T = typename V::scalar;
  if (count >= V::width && step == 1) return load<V>(p);
  alignas(64) T lanes[V::width];
  store(lanes, V(fill));
  if constexpr (std::is_same_v<S, T>)
    if (step == 1) {
      detail::copy_first<V::width / 2>(lanes, p, count);
      return load<V>(static_cast<const T*>(lanes));
    }
  for (std::ptrdiff_t i = 0; i < count; ++i) lanes[i] = static_cast<T>(p[i * step]);
  return load<V>(static_cast<const T*>(lanes));
}
/// The first `count` lanes to p and on, `step` elements apart; nothing else is touched.
template <storable S, class T, int W>
LIMBECK_HD void store_part(S* p, std::ptrdiff_t count, const simd<T, W>& v, std::ptrdiff_t step = 1) {
  if (count >= W && step == 1) return store(p, v);
  alignas(64) T lanes[W];
  store(lanes, v);
  if constexpr (std::is_same_v<S, T>)
    if (step == 1) {
      detail::copy_first<W / 2>(p, static_cast<const T*>(lanes), count);
      return;
    }
  for (std::ptrdiff_t i = 0; i < count; ++i) p[i * step] = static_cast<S>(lanes[i]);
}

/// The last `count` of at least V::width elements that end at `end`, and `fill` in the lanes behind them.
template <class V, storable S>
[[nodiscard]] LIMBECK_HD V load_last(const S* end, std::ptrdiff_t count, typename V::scalar fill) {
  alignas(64) typename V::scalar lanes[2 * V::width];
  store(lanes, load<V>(end - V::width));
  store(lanes + V::width, V(fill));
  return load<V>(static_cast<const typename V::scalar*>(lanes) + V::width - count);
}
/// The first `count` lanes to the last of at least V::width elements that end at `end`; those before are written as
/// they were.
template <storable S, class T, int W>
LIMBECK_HD void store_last(S* end, std::ptrdiff_t count, const simd<T, W>& v) {
  using V = simd<T, W>;
  alignas(64) T lanes[2 * W];
  store(lanes, load<V>(static_cast<const S*>(end - W)));
  store(lanes + W - count, v);
  store(end - W, load<V>(static_cast<const T*>(lanes)));
}

/// to[i] += from[i].
struct add_numbers {
  template <int Bytes, storable G, class A>
  LIMBECK_HD static void run(const A* from, std::ptrdiff_t count, G* to) {
    using V = simd_of_bytes<A, Bytes>;
    std::ptrdiff_t i = 0;
    for (; i + V::width <= count; i += V::width)
      store(to + i, load<V>(static_cast<const G*>(to + i)) + load<V>(from + i));
    for (; i < count; ++i) to[i] = static_cast<G>(static_cast<A>(to[i]) + from[i]);
  }
};

}  // namespace limbeck

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
