// A vector of numbers that arithmetic works on lane by lane, made of the compiler's vector extensions.
//
// Everything here is always inlined, so it takes on the instruction set of the kernel it is called from
// (backend/simd_dispatch.hpp); no compiler flag is needed. No intrinsics: GCC would refuse to inline them here.
#pragma once

#if defined(__CUDACC__)
#error "limbeck/backend/simd.hpp is for host compilers: nvcc 13 does not survive dependent vector types"
#endif

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "limbeck/core/config.hpp"
#include "limbeck/core/math.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // nothing here is ever called through the ABI
#endif

namespace limbeck {

/// What a comparison of simd<T, W> gives: a truth value a lane.
template <class T, int W>
struct simd_mask;

/// W numbers of type T, float or double; W a power of two. Arithmetic, comparisons and the functions of core/math.hpp
/// work lane by lane. Not for storing: load and store say what memory holds.
template <class T, int W>
struct simd {
  static_assert(W > 1 && (W & (W - 1)) == 0, "simd: the width is a power of two, above one");
  using scalar = T;
  using mask = simd_mask<T, W>;
  static constexpr int width = W;
  typedef T vector __attribute__((vector_size(W * sizeof(T))));
  vector lanes;

  // Copies are spelt out, for simd_mask too: GCC would copy a struct that holds some of them piece by piece, through
  // memory, as if it had no such registers.
  LIMBECK_HD simd() {}
  LIMBECK_HD simd(const vector& v) : lanes(v) {}
  LIMBECK_HD simd(const simd& other) : lanes(other.lanes) {}
  LIMBECK_HD simd& operator=(const simd& other) {
    lanes = other.lanes;
    return *this;
  }
  /// x in every lane. For GCC by way of memory, which it sees through: of the difference it makes a chain of
  /// insertions, one a lane.
  template <class U>
    requires(std::is_arithmetic_v<U>)
  LIMBECK_HD explicit(!std::is_same_v<U, T>) simd(U x) {
#if defined(__clang__)
    lanes = static_cast<T>(x) - vector{};
#else
    T all[W];
    for (int i = 0; i < W; ++i) all[i] = static_cast<T>(x);
    __builtin_memcpy(&lanes, all, sizeof lanes);
#endif
  }

  LIMBECK_HD friend simd operator+(const simd& a, const simd& b) { return a.lanes + b.lanes; }
  LIMBECK_HD friend simd operator-(const simd& a, const simd& b) { return a.lanes - b.lanes; }
  LIMBECK_HD friend simd operator*(const simd& a, const simd& b) { return a.lanes * b.lanes; }
  LIMBECK_HD friend simd operator/(const simd& a, const simd& b) { return a.lanes / b.lanes; }
  LIMBECK_HD friend simd operator-(const simd& a) { return -a.lanes; }
  LIMBECK_HD simd& operator+=(const simd& b) {
    lanes += b.lanes;
    return *this;
  }
  LIMBECK_HD simd& operator-=(const simd& b) {
    lanes -= b.lanes;
    return *this;
  }
  LIMBECK_HD simd& operator*=(const simd& b) {
    lanes *= b.lanes;
    return *this;
  }
  LIMBECK_HD simd& operator/=(const simd& b) {
    lanes /= b.lanes;
    return *this;
  }
  LIMBECK_HD friend mask operator<(const simd& a, const simd& b) { return mask(a.lanes < b.lanes); }
  LIMBECK_HD friend mask operator>(const simd& a, const simd& b) { return mask(a.lanes > b.lanes); }
  LIMBECK_HD friend mask operator<=(const simd& a, const simd& b) { return mask(a.lanes <= b.lanes); }
  LIMBECK_HD friend mask operator>=(const simd& a, const simd& b) { return mask(a.lanes >= b.lanes); }
  LIMBECK_HD friend mask operator==(const simd& a, const simd& b) { return mask(a.lanes == b.lanes); }
  LIMBECK_HD friend mask operator!=(const simd& a, const simd& b) { return mask(a.lanes != b.lanes); }

  [[nodiscard]] LIMBECK_HD T operator[](int lane) const { return lanes[lane]; }
};

template <class T, int W>
struct simd_mask {
  using integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef integer vector __attribute__((vector_size(W * sizeof(T))));
  vector lanes;  ///< all bits set, or none

  // A selection, not the comparison itself: AVX-512 compares into mask registers, and GCC 12 takes a comparison whose
  // result is calculated with to pieces, lane by lane. It still does so with & and |; nested calls of where are faster.
  template <class Comparison>
  LIMBECK_HD explicit simd_mask(const Comparison& c) : lanes(c ? ~vector{} : vector{}) {}
  LIMBECK_HD simd_mask(const simd_mask& other) : lanes(other.lanes) {}
  LIMBECK_HD simd_mask& operator=(const simd_mask& other) {
    lanes = other.lanes;
    return *this;
  }

  LIMBECK_HD friend simd_mask operator&(const simd_mask& a, const simd_mask& b) { return simd_mask(a.lanes & b.lanes); }
  LIMBECK_HD friend simd_mask operator|(const simd_mask& a, const simd_mask& b) { return simd_mask(a.lanes | b.lanes); }
  LIMBECK_HD friend simd_mask operator!(const simd_mask& a) { return simd_mask(~a.lanes); }
  [[nodiscard]] LIMBECK_HD bool operator[](int lane) const { return lanes[lane] != 0; }
};

/// The vector of T that fills `Bytes` bytes.
template <class T, int Bytes>
using simd_of_bytes = simd<T, Bytes / static_cast<int>(sizeof(T))>;

template <class V>
inline constexpr bool is_simd = false;
template <class T, int W>
inline constexpr bool is_simd<simd<T, W>> = true;

template <class T, int W>
LIMBECK_HD simd<T, W> where(const simd_mask<T, W>& condition, const simd<T, W>& a, const simd<T, W>& b) {
  return condition.lanes ? a.lanes : b.lanes;
}
/// As in core/math.hpp: the first where they are equal or one is NaN.
template <class T, int W>
LIMBECK_HD simd<T, W> max(const simd<T, W>& a, const simd<T, W>& b) {
  return a.lanes < b.lanes ? b.lanes : a.lanes;
}
template <class T, int W>
LIMBECK_HD simd<T, W> min(const simd<T, W>& a, const simd<T, W>& b) {
  return b.lanes < a.lanes ? b.lanes : a.lanes;
}
/// a * b + c in one expression, so that compilers fuse it where the processor can.
template <class T, int W>
LIMBECK_HD simd<T, W> multiply_add(const simd<T, W>& a, const simd<T, W>& b, const simd<T, W>& c) {
  return a.lanes * b.lanes + c.lanes;
}

namespace detail {

// The bits of a simd<T, W> as signed integers of the same size. Like simd and simd_mask a struct round the compiler's
// vector: a function that returned the bare one would make GCC warn about its ABI, once, at the end of the user's file.
template <class T, int W>
struct simd_bits {
  using integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef integer vector __attribute__((vector_size(W * sizeof(T))));
  vector lanes;
};

template <class T, int W>
LIMBECK_HD simd_bits<T, W> bits_of(const simd<T, W>& x) {
  return {(typename simd_bits<T, W>::vector)x.lanes};  // a cast of vectors keeps the bits
}
template <class T, int W>
LIMBECK_HD simd<T, W> from_bits(const simd_bits<T, W>& bits) {
  return simd<T, W>((typename simd<T, W>::vector)bits.lanes);
}

// Lanes First, First + 1 ... of v.
template <int First, class T, int W, int... I>
LIMBECK_HD simd<T, static_cast<int>(sizeof...(I))> lanes_from(const simd<T, W>& v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v.lanes, v.lanes, (First + I)...);
}
template <class T, int W>
LIMBECK_HD simd<T, W / 2> lower_half(const simd<T, W>& v) {
  return lanes_from<0>(v, std::make_integer_sequence<int, W / 2>{});
}
template <class T, int W>
LIMBECK_HD simd<T, W / 2> upper_half(const simd<T, W>& v) {
  return lanes_from<W / 2>(v, std::make_integer_sequence<int, W / 2>{});
}

template <class V, int... I>
LIMBECK_HD V numbered(std::integer_sequence<int, I...>) {
  return V(typename V::vector{static_cast<typename V::scalar>(I)...});
}

}  // namespace detail

/// Lane i holds i.
template <class V>
LIMBECK_HD V lane_numbers() {
  return detail::numbered<V>(std::make_integer_sequence<int, V::width>{});
}
/// True in lanes 0 .. count.
template <class V>
LIMBECK_HD typename V::mask first_lanes(std::ptrdiff_t count) {
  return lane_numbers<V>() < V(count);
}

namespace detail {

// Exchanges the lanes whose numbers differ in the bit Step between rows whose numbers do.
template <int Step, class T, int W, int... I>
LIMBECK_HD void exchange_lanes(simd<T, W>& upper, simd<T, W>& lower, std::integer_sequence<int, I...>) {
  const simd<T, W> a = upper, b = lower;
  upper = __builtin_shufflevector(a.lanes, b.lanes, ((I & Step) == 0 ? I : W + I - Step)...);
  lower = __builtin_shufflevector(a.lanes, b.lanes, ((I & Step) == 0 ? I + Step : W + I)...);
}
template <int Step, class T, int W>
LIMBECK_HD void transpose_from(simd<T, W> (&square)[W]) {
#pragma GCC unroll 16
  for (int r = 0; r < W; ++r)
    if ((r & Step) == 0) exchange_lanes<Step>(square[r], square[r + Step], std::make_integer_sequence<int, W>{});
  if constexpr (2 * Step < W) transpose_from<2 * Step>(square);
}

}  // namespace detail

/// Row i, lane j becomes row j, lane i.
template <class T, int W>
LIMBECK_HD void transpose(simd<T, W> (&square)[W]) {
  detail::transpose_from<1>(square);
}

/// The sum over the lanes, in an order that only the width decides: halves are added until one lane is left.
template <class T, int W>
[[nodiscard]] LIMBECK_HD T horizontal_sum(const simd<T, W>& v) {
  if constexpr (W == 2)
    return v.lanes[0] + v.lanes[1];
  else
    return horizontal_sum(detail::lower_half(v) + detail::upper_half(v));
}
template <class T, int W>
[[nodiscard]] LIMBECK_HD T horizontal_max(const simd<T, W>& v) {
  if constexpr (W == 2)
    return max(v.lanes[0], v.lanes[1]);
  else
    return horizontal_max(max(detail::lower_half(v), detail::upper_half(v)));
}
template <class T, int W>
[[nodiscard]] LIMBECK_HD bool any(const simd_mask<T, W>& m) {
  const simd<T, W> flags = where(m, simd<T, W>(T(1)), simd<T, W>(T(0)));
  return horizontal_max(flags) > T(0);
}
template <class T, int W>
[[nodiscard]] LIMBECK_HD bool all(const simd_mask<T, W>& m) {
  return !any(!m);
}

}  // namespace limbeck

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
