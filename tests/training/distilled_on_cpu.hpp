// distilled_weights() on the host, for tests that a CUDA compiler translates.
#pragma once

#include <vector>

namespace limbeck_test {

/// In double.
std::vector<double> distilled_on_cpu(int steps);

}  // namespace limbeck_test
