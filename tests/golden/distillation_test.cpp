// Outputs, losses and gradients of small random models against reference values, in double. Every folder that holds a
// losses.json is a case.
#include "golden/golden_folder.hpp"

TEST_CASE("small models give the reference outputs, losses and gradients", "[golden]") {
  limbeck_test::for_golden_models(
      []<class Side>(Side, const auto& folder) { limbeck_test::check_golden_folder<Side>(folder); });
}
