// The heads by which layers answer, and what a loss on their answers is told.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/projection.hpp"

namespace limbeck {

struct universal_kd_options {
  double temperature = 1;
  bool t_squared = true;        ///< false: no factor temperature^2
  double scale = 1;             ///< of the products that logits choose by
  bool attention_grad = false;  ///< true: the gradient goes through the layers' weights, too
  divisor over = divisor::samples;
};

namespace detail {

/// How many classes the head of a layer has. Throws contract_error where there is none for it, or it takes states of
/// another width.
template <class T, backend B>
[[nodiscard]] index classes_of(const char* who, const std::vector<linear_projection<T, B>>& heads, std::size_t depth,
                               std::size_t layer, index width) {
  if (heads.empty()) return width;
  expects(heads.size() == depth,
          [&] { return message("universal_kd: ", heads.size(), " heads for the ", depth, " layers of the ", who); });
  const linear_projection<T, B>& head = heads[layer];
  expects(head.weight.extent(1) == width && (head.bias.empty() || head.bias.extent(0) == head.weight.extent(0)), [&] {
    return message("universal_kd: the head of ", who, " layer ", layer, " is ", shape_text(head.weight), ", its bias ",
                   shape_text(head.bias), ", its states are ", width, " wide");
  });
  return head.weight.extent(0);
}

}  // namespace detail
}  // namespace limbeck
