// The matrix product of what is measured as a whole: the best one that this build found, or that of bfloat16.
#pragma once

#if defined(LIMBECK_BENCH_BF16)
#include "limbeck/backend/onednn_bf16.hpp"
#elif defined(LIMBECK_BENCH_HAS_ONEDNN)
#include "limbeck/backend/onednn.hpp"
#else
#include "limbeck/backend/eigen.hpp"
#endif

namespace limbeck_bench {

#if defined(LIMBECK_BENCH_BF16)
using provider = limbeck::onednn_bf16_provider;
inline constexpr const char* precision = "bf16";
#elif defined(LIMBECK_BENCH_HAS_ONEDNN)
using provider = limbeck::onednn_provider;
inline constexpr const char* precision = "fp32";
#else
using provider = limbeck::eigen_provider;
inline constexpr const char* precision = "fp32";
#endif

}  // namespace limbeck_bench
