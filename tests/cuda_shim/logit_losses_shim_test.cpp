// CUDA's kernels of losses on rows of logits, on the processor, against the host's.
#include "shimmed_losses.hpp"

#include "losses/logit_device_cases.hpp"

namespace {

const auto host = [](const auto& c, const auto& loss) { return c(loss); };

TEST_CASE("the CUDA kernel of cross_entropy agrees with the host's") {
  limbeck_test::check_cross_entropy<double>(host, 1e-12);
  limbeck_test::check_cross_entropy<float>(host, 4e-6);
}

TEST_CASE("the CUDA kernels of logits_mse and regression_mse agree with the host's") {
  limbeck_test::check_squared_logits<double>(host, 1e-12);
  limbeck_test::check_squared_logits<float>(host, 4e-6);
}

TEST_CASE("a label that is no class gives the CUDA kernel of cross_entropy NaN and no gradient") {
  limbeck_test::check_labels_outside();
}

}  // namespace
