// Models and losses on CUDA's kernels, on the processor, against the reference values of small random models.
#include "shimmed_losses.hpp"

#include "golden/golden_folder.hpp"

TEST_CASE("small models give the reference outputs, losses and gradients on CUDA kernels", "[golden]") {
  limbeck::cuda_context context;
  const limbeck::cuda_executor on{.context = &context};
  limbeck_test::for_golden_models([&]<class Side>(Side, const auto& folder) {
    limbeck_test::check_golden_folder<Side>(folder, on, limbeck_test::golden_depth::sums);
  });
}
