// Part of test_cuda: the side of its comparisons that the C++ compiler translates.
#include "losses/soft_target_on_cpu.hpp"

namespace limbeck_test {

using limbeck::soft_target_kl, limbeck::soft_target_reverse_kl;

template <class A, class D>
typename logit_case<A>::outcome soft_target_on_cpu(const logit_case<A>& c, const limbeck::soft_target<D>& loss) {
  return c(loss);
}

template logit_case<float>::outcome soft_target_on_cpu(const logit_case<float>&, const soft_target_kl&);
template logit_case<float>::outcome soft_target_on_cpu(const logit_case<float>&, const soft_target_reverse_kl&);
template logit_case<double>::outcome soft_target_on_cpu(const logit_case<double>&, const soft_target_kl&);
template logit_case<double>::outcome soft_target_on_cpu(const logit_case<double>&, const soft_target_reverse_kl&);

}  // namespace limbeck_test
