// Part of test_cuda: the side of its comparisons that the C++ compiler translates.
#include "training/distilled_on_cpu.hpp"

#include "training/host_distillation.hpp"

namespace limbeck_test {

std::vector<double> distilled_on_cpu(int steps) { return host_distillation(steps); }

}  // namespace limbeck_test
