// Scores of late interaction as logits on the host.
#pragma once

#include <limits>

#include "limbeck/core/view.hpp"

namespace limbeck::detail {

/// Scores become logits; a query without any that is more than -infinity weighs nothing.
template <class T>
void soften_scores(cpu, const auto&, const view<T, 2>& scores, double temperature, const view<const T, 1>& given,
                   const view<T, 2>& weights) {
  for (index q = 0; q < scores.extent(0); ++q) {
    bool any = false;
    for (index p = 0; p < scores.extent(1); ++p) {
      any = any || scores(q, p) != -std::numeric_limits<T>::infinity();
      scores(q, p) = static_cast<T>(scores(q, p) / temperature);
    }
    weights(0, q) = !any ? T(0) : given.empty() ? T(1) : given(q);
  }
}

}  // namespace limbeck::detail
