// The matrix product of this build of the program: the best one that was found.
#pragma once

#if defined(LIMBECK_PROGRAM_HAS_ONEDNN)
#include <limbeck/backend/onednn.hpp>
#elif defined(LIMBECK_PROGRAM_HAS_BLAS)
#include <limbeck/backend/blas.hpp>
#endif
#include <limbeck/backend/eigen.hpp>
#include <limbeck/core/executors.hpp>

namespace program {

#if defined(LIMBECK_PROGRAM_HAS_ONEDNN)
using provider = limbeck::onednn_provider;
inline constexpr const char* provider_name = "oneDNN";
#elif defined(LIMBECK_PROGRAM_HAS_BLAS)
using provider = limbeck::blas_provider;
inline constexpr const char* provider_name = "BLAS";
#else
using provider = limbeck::eigen_provider;
inline constexpr const char* provider_name = "Eigen";
#endif
using executor = limbeck::cpu_executor<provider>;

}  // namespace program
