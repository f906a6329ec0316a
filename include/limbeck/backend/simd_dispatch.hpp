// Runs a kernel with the widest instructions that the processor has, whatever flags the file was compiled with.
#pragma once

#include <atomic>

#include "limbeck/core/config.hpp"
#include "limbeck/core/error.hpp"

#if defined(__CUDACC__)
#error "limbeck/backend/simd.hpp is for host compilers"
#endif

namespace limbeck {

/// baseline: vectors of 16 bytes, any processor. avx2: 32 bytes, with fused multiply-add. avx512: 64 bytes (F, BW, DQ,
/// VL). Results of one level have the same bits everywhere; between levels they differ by rounding.
enum class simd_level { baseline, avx2, avx512 };

#if !defined(LIMBECK_HIGHEST_SIMD_LEVEL)
#define LIMBECK_HIGHEST_SIMD_LEVEL avx512
#endif

/// The highest level that kernels are compiled for. Each level is compiled by itself: a program that names a lower one,
/// `LIMBECK_HIGHEST_SIMD_LEVEL=avx2` for all of its files, compiles in less time.
inline constexpr simd_level highest_simd_level = simd_level::LIMBECK_HIGHEST_SIMD_LEVEL;

/// The lowest level that the kernels of this file are compiled for: what its flags promise of the processor. With
/// -march=native, or -mavx2 -mfma, those below would never run.
inline constexpr simd_level lowest_simd_level = [] {
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
  constexpr simd_level promised = simd_level::avx512;
#elif defined(__AVX2__) && defined(__FMA__)
  constexpr simd_level promised = simd_level::avx2;
#else
  constexpr simd_level promised = simd_level::baseline;
#endif
  return promised < highest_simd_level ? promised : highest_simd_level;
}();

/// The best level that this processor has and kernels are compiled for. Found once.
[[nodiscard]] inline simd_level best_simd_level() {
#if defined(__x86_64__) || defined(__i386__)
  static const simd_level found = [] {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return simd_level::baseline;
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return wide ? simd_level::avx512 : simd_level::avx2;
  }();
  return found < highest_simd_level ? found : highest_simd_level;
#else
  return simd_level::baseline;
#endif
}

namespace detail {
inline std::atomic<int>& forced_level() {  // -1: none
  static std::atomic<int> level{-1};
  return level;
}
}  // namespace detail

/// The level that kernels run at.
[[nodiscard]] inline simd_level active_simd_level() {
  const int forced = detail::forced_level().load(std::memory_order_relaxed);
  return forced < 0 ? best_simd_level() : static_cast<simd_level>(forced);
}

/// While it lives, kernels of every thread run at `level`, or at the next one that their file was compiled for: for
/// tests. Throws contract_error where the processor lacks it or LIMBECK_HIGHEST_SIMD_LEVEL left it out.
class forced_simd_level {
 public:
  explicit forced_simd_level(simd_level level) {
    expects(level <= best_simd_level(),
            "forced_simd_level: this processor lacks the level, or the program was compiled without it");
    before_ = detail::forced_level().exchange(static_cast<int>(level));
  }
  ~forced_simd_level() { detail::forced_level().store(before_); }
  forced_simd_level(const forced_simd_level&) = delete;
  forced_simd_level& operator=(const forced_simd_level&) = delete;

 private:
  int before_ = -1;
};

/// What the level is called: "baseline", "avx2", "avx512".
[[nodiscard]] constexpr const char* name_of(simd_level level) {
  return level == simd_level::avx512 ? "avx512" : level == simd_level::avx2 ? "avx2" : "baseline";
}

// A file compiled with -mavx2 has other baseline code than its neighbours. Other names keep the linker from taking
// one for the other, and a processor without AVX2 from running it.
namespace detail {
#if defined(__AVX512F__)
inline namespace compiled_for_avx512 {
#elif defined(__AVX2__)
inline namespace compiled_for_avx2 {
#elif defined(__AVX__)
inline namespace compiled_for_avx {
#else
inline namespace compiled_for_any {
#endif

template <class Kernel, class... Args>
[[gnu::noinline]] void run_baseline(Args&... args) {
  Kernel::template run<16>(args...);
}
#if defined(__x86_64__) || defined(__i386__)
template <class Kernel, class... Args>
[[gnu::noinline, gnu::target("avx2,fma")]] void run_avx2(Args&... args) {
  Kernel::template run<32>(args...);
}
template <class Kernel, class... Args>
[[gnu::noinline, gnu::target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]] void run_avx512(Args&... args) {
  Kernel::template run<64>(args...);
}
#endif

}  // inline namespace
}  // namespace detail

#if defined(__AVX512F__)
inline namespace compiled_for_avx512 {
#elif defined(__AVX2__)
inline namespace compiled_for_avx2 {
#elif defined(__AVX__)
inline namespace compiled_for_avx {
#else
inline namespace compiled_for_any {
#endif

/// Calls Kernel::run<Bytes>(args...), Bytes being the size of the vectors it should work with: 16, 32 or 64.
/// `struct Kernel { template <int Bytes> LIMBECK_HD static void run(const float* x, float* y, index count); };`
/// run must be LIMBECK_HD, and so must all it calls on vectors: only inlined code takes on the instruction set. No
/// lambdas, for the same reason. Arguments arrive as lvalues.
template <class Kernel, class... Args>
void simd_dispatch(Args&&... args) {
#if defined(__x86_64__) || defined(__i386__)
  const simd_level level = active_simd_level();
  if constexpr (highest_simd_level >= simd_level::avx512)
    if (level >= simd_level::avx512 || lowest_simd_level >= simd_level::avx512)
      return detail::run_avx512<Kernel>(args...);
  if constexpr (highest_simd_level >= simd_level::avx2 && lowest_simd_level <= simd_level::avx2)
    if (level >= simd_level::avx2 || lowest_simd_level >= simd_level::avx2) return detail::run_avx2<Kernel>(args...);
#endif
  if constexpr (lowest_simd_level == simd_level::baseline) detail::run_baseline<Kernel>(args...);
}

/// Calls Kernel::run<Bytes>(args...) from within a kernel whose vectors have that size, as a function of its own: for
/// what several kernels share and is too long to be inlined into each.
template <class Kernel, int Bytes, class... Args>
LIMBECK_HD void call_kernel(Args&&... args) {
#if defined(__x86_64__) || defined(__i386__)
  if constexpr (Bytes == 64) return detail::run_avx512<Kernel>(args...);
  if constexpr (Bytes == 32) return detail::run_avx2<Kernel>(args...);
#endif
  detail::run_baseline<Kernel>(args...);
}

/// The function that call_kernel<Kernel, Bytes> calls with arguments of these types: for what a kernel is told of when
/// the program runs, so that it need not be compiled for each.
template <class Kernel, int Bytes, class... Args>
[[nodiscard]] constexpr auto kernel_pointer() -> void (*)(Args&...) {
#if defined(__x86_64__) || defined(__i386__)
  if constexpr (Bytes == 64) return &detail::run_avx512<Kernel, Args...>;
  if constexpr (Bytes == 32) return &detail::run_avx2<Kernel, Args...>;
#endif
  return &detail::run_baseline<Kernel, Args...>;
}

}  // inline namespace
}  // namespace limbeck
