// What this machine can do at most, measured beside what is judged by it: the traffic of memory, and multiply-adds.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "limbeck/backend/buffer.hpp"
#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck_bench {

using limbeck::index;

/// What an op cannot do without. Bytes are those of its operands, each moved once: what fits in a cache beside them, or
/// is read again, is the op's own affair.
struct work {
  double read = 0, written = 0, updated = 0;  ///< bytes; updated: read and written
  double flops = 0;                           ///< 0: they are not what it takes its time for
  double elements = 0;                        ///< what a time is told for; 0: none

  [[nodiscard]] double traffic() const { return read + written + 2 * updated; }
  [[nodiscard]] double footprint() const { return read + written + updated; }
};

/// Bytes of `count` floats.
[[nodiscard]] constexpr double floats(index count) { return 4 * static_cast<double>(count); }

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

/// `rounds` multiply-adds in each lane of twelve registers; what they make, so that none is left out.
struct multiply_add_kernel {
  static constexpr int registers = 12;  // more than a multiply-add's latency times the units that do it

  template <int Bytes>
  LIMBECK_HD static void run(index rounds, float factor, float summand, float& made, double& flops) {
    using V = limbeck::simd_of_bytes<float, Bytes>;
    const V a(factor), b(summand);
    V kept[registers];
    for (int r = 0; r < registers; ++r) kept[r] = V(static_cast<float>(r));
    for (index i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
      for (int r = 0; r < registers; ++r) kept[r] = limbeck::multiply_add(kept[r], a, b);
    }
    V sum(0.0F);
#pragma GCC unroll 12
    for (int r = 0; r < registers; ++r) sum += kept[r];
    made = limbeck::horizontal_sum(sum);
    flops = static_cast<double>(rounds * registers * V::width * 2);
  }
};

#if defined(__x86_64__)
/// `rounds` products of pairs of bfloat16, summed in float32, in each lane of twelve registers; what the first made.
[[gnu::target("avx512f,avx512bf16")]] inline float bfloat16_products(index rounds) {
  constexpr int registers = multiply_add_kernel::registers;
  const auto a = (__m512bh)_mm512_set1_epi32(0x3f003f00), b = (__m512bh)_mm512_set1_epi32(0x3c003c00);  // 1/2, 1/128
  __m512 kept[registers];
  for (int r = 0; r < registers; ++r) kept[r] = _mm512_set1_ps(static_cast<float>(r));
  for (index i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (int r = 0; r < registers; ++r) kept[r] = _mm512_dpbf16_ps(kept[r], a, b);
  }
  __m512 sum = kept[0];
#pragma GCC unroll 12
  for (int r = 1; r < registers; ++r) sum = _mm512_add_ps(sum, kept[r]);
  float lanes[16];
  _mm512_storeu_ps(lanes, sum);
  return lanes[0];
}
#endif

/// Seconds of a clock that never goes back.
[[nodiscard]] inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Of one number at least.
[[nodiscard]] inline double median(std::vector<double>& of) {
  const auto middle = of.begin() + static_cast<index>(of.size() / 2);
  std::ranges::nth_element(of, middle);
  return *middle;
}

/// Seconds that a call of `body` takes: the median of at most 20 samples, taken in about `budget` seconds. A sample is
/// so many calls that the clock can tell them.
template <class Body>
[[nodiscard]] double median_seconds(double budget, Body&& body) {
  constexpr double tellable = 2e-5;
  const double start = now();
  body();
  const int calls = static_cast<int>(std::clamp(tellable / (now() - start), 1.0, 1e4));
  std::vector<double> samples;
  do {
    const double before = now();
    for (int i = 0; i < calls; ++i) body();
    samples.push_back((now() - before) / calls);
  } while (samples.size() < 20 && now() - start < budget);
  return median(samples);
}

/// Bytes a second of a triad over three buffers of `bytes` bytes together, by the faster of its two stores.
[[nodiscard]] inline double memory_limit(int threads, double bytes, double budget) {
  constexpr index page = 1 << 10;  // elements: three buffers that start at pages of their own
  const index count = std::max<index>(static_cast<index>(bytes / 12), 16), room = (count + page - 1) / page * page;
  static limbeck::buffer<float> kept;
  if (kept.count() < 3 * room) kept = limbeck::buffer<float>(3 * room);
  float* const a = kept.data();
  const double plain =
      median_seconds(budget / 2, [&] { run_triad<triad_kernel>(threads, a + room, a + 2 * room, a, count); });
  const double streaming =
      median_seconds(budget / 2, [&] { run_triad<streaming_triad_kernel>(threads, a + room, a + 2 * room, a, count); });
  return 12 * static_cast<double>(count) / std::min(plain, streaming);
}

/// Operations a second of `body` on all threads at once; body(made) says how many it did, and leaves what it made.
template <class Body>
[[nodiscard]] double operations_a_second(int threads, double budget, const Body& body) {
  std::vector<double> flops(static_cast<std::size_t>(threads));
  std::vector<float> made(flops.size());
  const double seconds = median_seconds(budget, [&] {
    limbeck::parallel_for(threads, threads, [&](index begin, index end) {
      for (index t = begin; t < end; ++t) {
        const auto at = static_cast<std::size_t>(t);
        flops[at] = body(made[at]);
      }
    });
  });
  double sum = 0;
  for (const double f : flops) sum += f;
  return sum / seconds;
}

/// Floating-point operations a second of multiply-adds in registers, in float32 with the widest vectors there are.
[[nodiscard]] inline double multiply_add_limit(int threads, double budget) {
  return operations_a_second(threads, budget, [](float& made) {
    constexpr index rounds = 10000;
    double flops = 0;
    limbeck::simd_dispatch<multiply_add_kernel>(rounds, 0.999F, 0.001F, made, flops);
    return flops;
  });
}

/// The same of bfloat16 whose products are summed in float32, with AVX-512; 0 for a processor that has no such dot
/// product. What tiles (AMX) could do is not measured.
[[nodiscard]] inline double bfloat16_limit([[maybe_unused]] int threads, [[maybe_unused]] double budget) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx512bf16")) return 0;
  return operations_a_second(threads, budget, [](float& made) {
    constexpr index rounds = 10000, lanes = 32;
    made = bfloat16_products(rounds);
    return static_cast<double>(rounds * multiply_add_kernel::registers * lanes * 2);
  });
#else
  return 0;
#endif
}

}  // namespace limbeck_bench
