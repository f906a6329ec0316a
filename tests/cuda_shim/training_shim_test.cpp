// AdamW, norms and whole steps by CUDA's kernels, on the processor.
#include "shimmed_losses.hpp"

#include "training/device_training_cases.hpp"
#include "training/host_distillation.hpp"

namespace {

TEST_CASE("CUDA kernels sum squares as the definition says") {
  limbeck_test::check_norm<float>();
  limbeck_test::check_norm<double>();
}

TEST_CASE("the CUDA kernel of adamw agrees with the paper's algorithm, clipped and not") {
  limbeck_test::check_adamw<float>(2e-6);
  limbeck_test::check_adamw<double>(1e-13);
}

TEST_CASE("steps of a distillation on CUDA kernels lead to the host's weights") {
  limbeck_test::check_distillation(limbeck_test::host_distillation(4));
}

TEST_CASE("a whole step of a distillation, recorded as a graph, is the step that is done by itself, on CUDA kernels") {
  limbeck_test::check_recorded_steps();
}

}  // namespace
