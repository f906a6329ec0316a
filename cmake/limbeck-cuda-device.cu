// The one .cu file of a program of .cpp files that trains on a CUDA device; limbeck_cuda_device() adds it to a target.
#include <limbeck/training/training_device_cuda.hpp>

std::unique_ptr<limbeck::training_device> limbeck::make_cuda_device(const cuda_options& options) {
  return std::make_unique<cuda_training_device>(options);
}
