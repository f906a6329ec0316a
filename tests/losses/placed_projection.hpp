// A learned projection wherever a test runs its loss.
#pragma once

#include <utility>
#include <vector>

#include "limbeck/losses/projection.hpp"
#include "losses/logit_case.hpp"

namespace limbeck_test {

/// A projection with its gradients, in a place.
template <class A, limbeck::backend B>
struct placed_projection {
  std::vector<A> weight, bias, weight_gradient, bias_gradient;
  index mine, theirs;

  placed_projection(index mine, index theirs)
      : weight(random_numbers<A>(static_cast<std::size_t>(mine * theirs), -1, 1, 5)),
        bias(random_numbers<A>(static_cast<std::size_t>(theirs), -1, 1, 6)),
        weight_gradient(weight.size(), A(1)),
        bias_gradient(bias.size(), A(1)),
        mine(mine),
        theirs(theirs) {}
  template <class Place>
  limbeck::linear_projection<A, B> in(Place& where) {
    using limbeck::view;
    return {view<const A, 2, B>(where.bring(std::as_const(weight)), theirs, mine),
            view<const A, 1, B>(where.bring(std::as_const(bias)), theirs),
            view<A, 2, B>(where.bring(weight_gradient), theirs, mine),
            view<A, 1, B>(where.bring(bias_gradient), theirs)};
  }
};

}  // namespace limbeck_test
