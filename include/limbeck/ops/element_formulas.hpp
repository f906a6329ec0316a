// Formulas over elements that several operations have: for vectors of the host and for numbers on a device.
#pragma once

#include "limbeck/core/config.hpp"

namespace limbeck::ops::detail {

struct itself {
  template <class V>
  LIMBECK_HD V operator()(const V& x) const {
    return x;
  }
};
struct sum_of_two {
  template <class V>
  LIMBECK_HD V operator()(const V& a, const V& b) const {
    return a + b;
  }
};

}  // namespace limbeck::ops::detail
