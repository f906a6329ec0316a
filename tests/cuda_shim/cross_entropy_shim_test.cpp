// The cross-entropy kernel of CUDA on the processor: against the loss cases and the host's kernel.
#include "cuda_shim.hpp"

// Before cross_entropy.hpp, which looks for the kernels of its own compiler only.
#include "limbeck/losses/cross_entropy_cuda.hpp"

#include "golden/loss_case.hpp"
#include "losses/cross_entropy_device_cases.hpp"

namespace {

const auto host = [](const auto& c, const auto& loss) { return c(loss); };

TEST_CASE("the CUDA kernel of cross_entropy agrees with the host's") {
  limbeck_test::check_cross_entropy<double>(host, 1e-12);
  limbeck_test::check_cross_entropy<float>(host, 4e-6);
}

TEST_CASE("a label that is no class gives the CUDA kernel of cross_entropy NaN and no gradient") {
  limbeck_test::check_labels_outside();
}

}  // namespace
