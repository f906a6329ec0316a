// AdamW, norms and whole steps on a device, against the host. Without a device every case skips itself.
#include "training/device_training_cases.hpp"
#include "training/distilled_on_cpu.hpp"

namespace {

bool no_device() { return limbeck::cuda_device_count() == 0; }

}  // namespace

TEST_CASE("squares are summed on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_norm<float>();
  limbeck_test::check_norm<double>();
}

TEST_CASE("adamw agrees with the paper's algorithm on a device, clipped and not") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_adamw<float>(2e-6);
  limbeck_test::check_adamw<double>(1e-13);
}

TEST_CASE("steps of a distillation on a device lead to the host's weights") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_distillation(limbeck_test::distilled_on_cpu(4));
}

TEST_CASE("a whole step of a distillation, recorded as a graph, is the step that is done by itself on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_recorded_steps();
}
