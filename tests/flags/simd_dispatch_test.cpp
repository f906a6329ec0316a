// Kernels of a file that is compiled with -mavx2 -mfma: nothing below runs, nor is it compiled.
#include "limbeck/backend/simd_dispatch.hpp"

#include "catch.hpp"
#include "simd_levels.hpp"

#if defined(__AVX2__) && defined(__FMA__)

namespace {

using limbeck::simd_level;

struct width_kernel {
  template <int Bytes>
    requires(Bytes > 16)  // or the file does not compile
  LIMBECK_HD static void run(int& bytes) {
    bytes = Bytes;
  }
};

int width_at(simd_level level) {
  const limbeck::forced_simd_level forced(level);
  int bytes = 0;
  limbeck::simd_dispatch<width_kernel>(bytes);
  return bytes;
}

}  // namespace

TEST_CASE("simd_dispatch: a file compiled for AVX2 has no narrower kernels") {
  STATIC_REQUIRE(limbeck::lowest_simd_level == simd_level::avx2);
  if (limbeck::best_simd_level() < simd_level::avx2) LIMBECK_SKIP("this processor has no AVX2");
  CHECK(limbeck_test::simd_levels().front() == simd_level::avx2);
  CHECK(width_at(simd_level::baseline) == 32);  // the next one up
  CHECK(width_at(simd_level::avx2) == 32);
  if (limbeck::best_simd_level() == simd_level::avx512) CHECK(width_at(simd_level::avx512) == 64);
}

#else
TEST_CASE("simd_dispatch: a file compiled for AVX2") { LIMBECK_SKIP("no flags for AVX2 on this processor"); }
#endif
