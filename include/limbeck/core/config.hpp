// How functions that also run on a device, or inside a SIMD kernel, are declared: LIMBECK_HD, the one macro.
#pragma once

/// Marks a small function that kernels call: host and device under a CUDA compiler; always inlined elsewhere, so that
/// it takes on the instruction set of the kernel it is called from. Belongs in front of the declaration:
/// `template <class T> LIMBECK_HD T twice(T x)`.
#if defined(__CUDACC__)
#define LIMBECK_HD __host__ __device__ inline
#else
#define LIMBECK_HD inline __attribute__((always_inline))
#endif
