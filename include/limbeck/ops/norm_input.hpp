// What a layer normalisation reads.
#pragma once

#include "limbeck/core/view.hpp"
#include "limbeck/ops/dropping.hpp"

namespace limbeck::ops::detail {

/// What is normalised: x, or residual + dropout(x) where a residual is given.
template <class T, backend B>
struct norm_input {
  view<const T, 2, B> x, residual{};
  dropping<T> drop{};
};

}  // namespace limbeck::ops::detail
