// How vectors of numbers come from memory and go back to it, whatever type memory holds them in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "limbeck/backend/simd_vector.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

namespace limbeck {
namespace detail {

// W elements of S where they lie, at any address.
template <class S, int W>
struct unaligned {
  typedef S type __attribute__((vector_size(W * sizeof(S)), aligned(alignof(S)), may_alias));
};
template <class S, int W>
using unaligned_t = typename unaligned<S, W>::type;

}  // namespace detail

/// V::width elements that lie one after the other from p on. S: float, double.
template <class V, class S>
  requires std::is_floating_point_v<S>
[[nodiscard]] LIMBECK_HD V load(const S* p) {
  const auto& there = *reinterpret_cast<const detail::unaligned_t<S, V::width>*>(p);
  if constexpr (std::is_same_v<S, typename V::scalar>)
    return V(typename V::vector(there));
  else
    return V(__builtin_convertvector(there, typename V::vector));
}
template <class S, class T, int W>
  requires std::is_floating_point_v<S>
LIMBECK_HD void store(S* p, const simd<T, W>& v) {
  auto& there = *reinterpret_cast<detail::unaligned_t<S, W>*>(p);
  if constexpr (std::is_same_v<S, T>)
    there = v.lanes;
  else
    there = __builtin_convertvector(v.lanes, detail::unaligned_t<S, W>);
}

/// `count` elements from p on, `step` elements apart, and `fill` in the lanes behind them. 0 <= count <= V::width.
template <class V, class S>
[[nodiscard]] LIMBECK_HD V load_part(const S* p, std::ptrdiff_t count, typename V::scalar fill, std::ptrdiff_t step = 1) {
  using T = typename V::scalar;
  alignas(64) T lanes[V::width];
  store(lanes, V(fill));
  for (std::ptrdiff_t i = 0; i < count; ++i) lanes[i] = static_cast<T>(p[i * step]);
  return load<V>(static_cast<const T*>(lanes));
}
/// The first `count` lanes to p and on, `step` elements apart; nothing else is touched.
template <class S, class T, int W>
LIMBECK_HD void store_part(S* p, std::ptrdiff_t count, const simd<T, W>& v, std::ptrdiff_t step = 1) {
  alignas(64) T lanes[W];
  store(lanes, v);
  for (std::ptrdiff_t i = 0; i < count; ++i) p[i * step] = static_cast<S>(lanes[i]);
}

}  // namespace limbeck

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
