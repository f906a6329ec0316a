// Models on a device, against the host. Without a device every case skips itself.
#include "models/device_model_cases.hpp"
#include "models/model_on_cpu.hpp"

TEST_CASE("a model on a device leaves the signals and gradients of the host") {
  if (limbeck::cuda_device_count() == 0) LIMBECK_SKIP("no CUDA device");
  limbeck_test::for_model_cases(
      [](const limbeck_test::model_case& c) { check_model(c, limbeck_test::model_on_cpu(c)); });
}

TEST_CASE("a placed batch may be run again on a device") {
  if (limbeck::cuda_device_count() == 0) LIMBECK_SKIP("no CUDA device");
  const limbeck_test::model_case c;
  check_model(c, limbeck_test::model_on_cpu(c), 3);
}
