// The trainer on CUDA's kernels, on the processor.
#include "cuda_shim/cuda_shim.hpp"

#include "cuda_shim/cublas_lt_shim.hpp"

#include "limbeck/training/training_device_cuda.hpp"
#include "training/device_pretraining.hpp"
#include "training/device_run.hpp"

namespace {

TEST_CASE("a run on CUDA kernels ends where one on the host does") {
  limbeck_test::check_device_runs(limbeck::cuda_training_device());
}

TEST_CASE("a run that was killed on the host goes on with CUDA kernels, and the other way round") {
  limbeck_test::check_changing_places(limbeck::cuda_training_device());
}

TEST_CASE("a pretraining on CUDA kernels ends where one on the host does, also where the host began it") {
  limbeck_test::check_device_pretraining(limbeck::cuda_training_device());
}

}  // namespace
