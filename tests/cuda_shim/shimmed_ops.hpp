// Every operation's CUDA kernels before the operations themselves, which look for the kernels of their own compiler
// only: the first header of a test that runs them on the processor.
#pragma once

#include "cuda_shim.hpp"
// cuBLASLt's stand-in needs CUDA's.
#include "cublas_lt_shim.hpp"

#include "limbeck/ops/activated_linear_cuda.hpp"
#include "limbeck/ops/activation_cuda.hpp"
#include "limbeck/ops/argmax_cuda.hpp"
#include "limbeck/ops/attention_cuda.hpp"
#include "limbeck/ops/dropout_cuda.hpp"
#include "limbeck/ops/elementwise_cuda.hpp"
#include "limbeck/ops/embedding_cuda.hpp"
#include "limbeck/ops/layer_norm_cuda.hpp"
#include "limbeck/ops/linear_cuda.hpp"
#include "limbeck/ops/matmul_cuda.hpp"
#include "limbeck/ops/maxsim_cuda.hpp"
#include "limbeck/ops/sweep_cuda.hpp"
