// One formula over every element of matrices, where the executor works.
#pragma once

#if defined(__CUDACC__)  // vectors of the host are none of nvcc's business
#include "limbeck/ops/sweep_cuda.hpp"
#else
#include "limbeck/ops/sweep_cpu.hpp"
#endif
