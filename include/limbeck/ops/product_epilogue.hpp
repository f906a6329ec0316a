// What a library of matrix products does to a product as it writes it.
#pragma once

#include "limbeck/core/view.hpp"

namespace limbeck::ops::detail {

/// Where `known`, forward() and backward() do what ops/activated_linear.hpp says and return true, or false where the
/// library has no such product and nothing was done.
template <backend B, class Activation, class T>
struct product_epilogue {
  static constexpr bool known = false;
};

}  // namespace limbeck::ops::detail
