// What the program loads when it is to train on a CUDA device.
#include <limbeck/training/training_device.hpp>

extern "C" limbeck::training_device* limbeck_program_cuda_device(const limbeck::cuda_options& options) {
  return limbeck::make_cuda_device(options).release();
}
