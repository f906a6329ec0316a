// The same program on the CUDA shim: shows that it runs and what it writes, and measures nothing.
#include "cuda_shim/shimmed_losses.hpp"

#include "limbeck/training/adamw_cuda.hpp"
#include "limbeck/training/gradient_norm_cuda.hpp"

#include "measure.hpp"

int main(int count, char** arguments) { return limbeck_bench::measure_device(count, arguments); }
