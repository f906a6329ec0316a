// The CUDA runtime: NVIDIA's header, or whatever has taken its place before this one is included.
#pragma once

// tests/cuda_shim defines it together with the few names of the runtime that limbeck calls, and runs kernels on
// threads.
#if !defined(LIMBECK_CUDA_SHIM)
#include <cuda_runtime_api.h>
#endif
