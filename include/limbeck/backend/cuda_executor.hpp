// The executor that starts kernels: only a compiler that makes kernels has it.
#pragma once

#if !defined(__CUDACC__) && !defined(LIMBECK_CUDA_SHIM)
#error "limbeck/backend/cuda_executor.hpp starts kernels: include it in a .cu file; for copies, cuda_queue will do"
#endif

#include "limbeck/core/executors.hpp"

namespace limbeck {

/// Queues kernels on `stream` and does not wait for them. Without a context, operations that need workspace take it
/// from the device's memory pool for the time of the call (backend/cuda_context.hpp).
using cuda_executor = basic_cuda_executor<true>;

}  // namespace limbeck
