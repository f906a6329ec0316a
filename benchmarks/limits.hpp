// What this machine can do at most, measured beside what is judged by it: the traffic of memory, and multiply-adds.
#pragma once

#include <cstdint>

#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck_bench {

using limbeck::index;

/// a[i] = b[i] + scale * c[i]: two reads and a write with as little arithmetic as there can be.
struct triad_kernel {
  template <int Bytes>
  LIMBECK_HD static void run(const float* b, const float* c, float scale, float* a, index count) {
    using V = limbeck::simd_of_bytes<float, Bytes>;
    index i = 0;
    for (; i + V::width <= count; i += V::width)
      limbeck::store(a + i, limbeck::multiply_add(V(scale), limbeck::load<V>(c + i), limbeck::load<V>(b + i)));
    for (; i < count; ++i) a[i] = b[i] + scale * c[i];
  }
};

/// The same past the caches, where the compiler has a store for it: what is written is not read first. Its vectors are
/// of 16 bytes, for memory is slower than they are. a is aligned to 16 bytes.
struct streaming_triad_kernel {
  template <int Bytes>
  LIMBECK_HD static void run(const float* b, const float* c, float scale, float* a, index count) {
    using V = limbeck::simd<float, 4>;
    index i = 0;
    for (; i + V::width <= count; i += V::width)
      store_past_caches(a + i, limbeck::multiply_add(V(scale), limbeck::load<V>(c + i), limbeck::load<V>(b + i)));
    for (; i < count; ++i) a[i] = b[i] + scale * c[i];
  }

 private:
  LIMBECK_HD static void store_past_caches(float* to, const limbeck::simd<float, 4>& v) {
#if defined(__clang__)
    __builtin_nontemporal_store(v.lanes, reinterpret_cast<limbeck::simd<float, 4>::vector*>(to));
#elif defined(__x86_64__)
    __builtin_ia32_movntps(to, v.lanes);
#else
    limbeck::store(to, v);
#endif
  }
};

/// Kernel over `count` elements on `threads` threads, each with a share that starts at a multiple of 64 bytes.
template <class Kernel>
void run_triad(int threads, const float* b, const float* c, float* a, index count) {
  constexpr index line = 16;
  limbeck::parallel_for(threads, (count + line - 1) / line, [&](index first, index last) {
    const index begin = first * line, share = std::min(last * line, count) - begin;
    limbeck::simd_dispatch<Kernel>(b + begin, c + begin, 0.5F, a + begin, share);
  });
}

}  // namespace limbeck_bench
