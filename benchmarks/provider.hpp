// The matrix product of what is measured as a whole: the best one that this build found.
#pragma once

#if defined(LIMBECK_BENCH_HAS_ONEDNN)
#include "limbeck/backend/onednn.hpp"
#else
#include "limbeck/backend/eigen.hpp"
#endif

namespace limbeck_bench {

#if defined(LIMBECK_BENCH_HAS_ONEDNN)
using provider = limbeck::onednn_provider;
#else
using provider = limbeck::eigen_provider;
#endif

}  // namespace limbeck_bench
