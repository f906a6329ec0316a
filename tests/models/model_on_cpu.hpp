// Models on the host, for tests that a CUDA compiler translates.
#pragma once

#include "models/model_outcome.hpp"

namespace limbeck_test {

/// In double.
model_outcome model_on_cpu(const model_case& c);

}  // namespace limbeck_test
