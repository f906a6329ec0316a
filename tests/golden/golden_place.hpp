// Where the worked cases of losses run: on the host, or, in tests of CUDA's kernels, on a device.
#pragma once

#include "losses/logit_case.hpp"
#if defined(LIMBECK_CUDA_SHIM)
#include "losses/logit_case_cuda.hpp"
#else
#include "host_place.hpp"
#endif

namespace limbeck_test {

#if defined(LIMBECK_CUDA_SHIM)
using golden_place = device_place;
inline constexpr auto at_golden_place = [](const auto& c, const auto& loss) { return on_device(c, loss); };
#else
using golden_place = host_place;
inline constexpr auto at_golden_place = [](const auto& c, const auto& loss) { return c(loss); };
#endif
using golden_backend = golden_place::backend;

}  // namespace limbeck_test
