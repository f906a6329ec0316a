// A divergence that returns a value alone is refused by the name of the concept.
// must say: separable
#include "limbeck/losses/soft_target.hpp"

struct value_alone {
  template <class T>
  T operator()(const limbeck::compared<T>& c) const {
    return c.teacher * c.log_ratio;
  }
};

#ifdef MISUSE
limbeck::soft_target<value_alone> loss;
#else
limbeck::soft_target<limbeck::forward_kl> loss;
#endif
