// Student layers that learn from several of the teacher's.
#pragma once

#include <concepts>

#include "limbeck/mappings/mapping_policy.hpp"
#include "limbeck/mappings/uniform.hpp"

namespace limbeck {

/// One to many: student layer m learns from all teacher layers behind the one that uniform_mapping gives to layer m - 1
/// and up to its own, each of weight 1 / their number. 2 from 6 gives 0, 1, 2 and 3, 4, 5; no teacher layer is left
/// out. Refuses a deeper student.
struct block_mapping {
  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    detail::expects_shallow_student("block_mapping", d);
    std::size_t begin = 0;
    for (std::size_t m = 0; m < d.student; ++m) {
      const std::size_t end = uniform_mapping::teacher_of(m, d) + 1;
      for (std::size_t n = begin; n < end; ++n)
        visit(layer_pair{.student = m, .teacher = n, .weight = 1 / static_cast<double>(end - begin)});
      begin = end;
    }
  }
};

/// Every student layer learns from every teacher layer, each of weight 1 / the teacher's depth.
struct all_layers_mapping {
  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    detail::expects_layers("all_layers_mapping", d);
    for (std::size_t m = 0; m < d.student; ++m)
      for (std::size_t n = 0; n < d.teacher; ++n)
        visit(layer_pair{.student = m, .teacher = n, .weight = 1 / static_cast<double>(d.teacher)});
  }
};

}  // namespace limbeck
