// Part of test_cuda: the side of its comparisons that the C++ compiler translates.
#include "models/model_on_cpu.hpp"

#include "models/outcome_on_cpu.hpp"

namespace limbeck_test {

model_outcome model_on_cpu(const model_case& c) { return outcome_on_cpu(c); }

}  // namespace limbeck_test
