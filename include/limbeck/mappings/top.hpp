// One layer of the teacher for the student's last layer, and none for the others.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>

#include "limbeck/core/error.hpp"
#include "limbeck/mappings/mapping_policy.hpp"

namespace limbeck {

/// The student's last layer learns from the teacher's last one, or from the one that is named (Wang et al. 2021,
/// arXiv:2012.15828, section 3.2: the 21st of 24, so `.teacher = 20`). Refuses a teacher without that layer.
struct top_mapping {
  static constexpr std::size_t last = static_cast<std::size_t>(-1);
  std::size_t teacher = last;

  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    detail::expects_layers("top_mapping", d);
    expects(teacher == last || teacher < d.teacher, [&] {
      return message("top_mapping: teacher layer ", teacher, " of ", d.teacher, " layers (they count from 0)");
    });
    visit(layer_pair{.student = d.student - 1, .teacher = teacher == last ? d.teacher - 1 : teacher});
  }
};

}  // namespace limbeck
