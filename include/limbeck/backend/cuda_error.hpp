// What becomes of a CUDA call that fails: a backend_error that names the call.
#pragma once

#include <string>

#include "limbeck/backend/cuda_runtime.hpp"
#include "limbeck/core/error.hpp"

namespace limbeck {

/// Throws backend_error, `soft_target: out of memory (cudaErrorMemoryAllocation)`, unless `result` is success. `call`
/// says what was called, and for whom.
inline void throw_on_failure(cudaError_t result, const char* call) {
  if (result == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // the next launch would report it once more
  throw backend_error(std::string(call) + ": " + cudaGetErrorString(result) + " (" + cudaGetErrorName(result) + ")");
}

/// Devices that can be used: 0 where there is no driver either. Throws nothing.
[[nodiscard]] inline int cuda_device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  static_cast<void>(cudaGetLastError());
  return 0;
}

}  // namespace limbeck
