// The instruction sets that tests of kernels go through.
#pragma once

#include <vector>

#include "limbeck/backend/simd_dispatch.hpp"

namespace limbeck_test {

/// Those that this processor has and this file was compiled for, lowest first: `const forced_simd_level forced(level)`
/// runs kernels at one of them.
[[nodiscard]] inline std::vector<limbeck::simd_level> simd_levels() {
  using limbeck::simd_level;
  std::vector<simd_level> here;
  for (const simd_level level : {simd_level::baseline, simd_level::avx2, simd_level::avx512})
    if (level >= limbeck::lowest_simd_level && level <= limbeck::best_simd_level()) here.push_back(level);
  return here;
}

}  // namespace limbeck_test
