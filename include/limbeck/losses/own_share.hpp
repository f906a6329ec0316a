// How InfoNCE looks at scores, for the host and for a device.
#pragma once

#include "limbeck/core/config.hpp"
#include "limbeck/core/math.hpp"

namespace limbeck::detail {

struct contrast {
  double sharpness;  ///< 1 / temperature
  bool symmetric;    ///< also with the models exchanged, a half each
};

/// -log of the share of `own` in the softmax of scores whose largest is `top`; others: the sum of exp(score - top) of
/// the rest. Keeps its digits where the share is nearly 1.
template <class A>
[[nodiscard]] LIMBECK_HD A loss_of_own(A top, A own, A others) {
  const A mine = exp(own - top);
  return mine == A(1) ? log1p(others) : top - own + log(mine + others);
}

}  // namespace limbeck::detail
