// The host's soft-target kernels for tests that a CUDA compiler translates: it does not see the kernels themselves.
#pragma once

#include "limbeck/losses/soft_target.hpp"
#include "losses/logit_case.hpp"

namespace limbeck_test {

/// Defined in soft_target_on_cpu.cpp for forward and reverse KL, float and double.
template <class A, class D>
typename logit_case<A>::outcome soft_target_on_cpu(const logit_case<A>& c, const limbeck::soft_target<D>& loss);

}  // namespace limbeck_test
