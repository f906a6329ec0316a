// Which layer of a teacher each layer of a student starts from.
#pragma once

#include <concepts>

#include "limbeck/mappings/ends.hpp"
#include "limbeck/mappings/uniform.hpp"

namespace limbeck {

/// A student that is deeper than its teacher starts as dwt_remap_mapping says (Lee et al. 2023, arXiv:2305.18239,
/// "parameter remapping"): 6 from 4 gives 0, 1, 2, 3, 3, 3. A shallower one takes every so-many-th layer, as
/// uniform_mapping says: 6 from 12 gives 1, 3, 5, 7, 9, 11. One of the same depth takes them all.
struct remap_mapping {
  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    if (d.student > d.teacher)
      dwt_remap_mapping{}(d, visit);
    else
      uniform_mapping{}(d, visit);
  }
};

}  // namespace limbeck
