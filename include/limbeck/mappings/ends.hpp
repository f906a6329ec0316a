// Student layers matched with the first, the last, or the outer layers of the teacher.
#pragma once

#include <algorithm>
#include <concepts>

#include "limbeck/mappings/mapping_policy.hpp"

namespace limbeck {

/// Student layer m learns from teacher layer m. Refuses a deeper student.
struct first_mapping {
  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    detail::expects_shallow_student("first_mapping", d);
    for (std::size_t m = 0; m < d.student; ++m) visit(layer_pair{.student = m, .teacher = m});
  }
};

/// The student's layers learn from the teacher's last ones, in order. Refuses a deeper student.
struct last_mapping {
  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    detail::expects_shallow_student("last_mapping", d);
    for (std::size_t m = 0; m < d.student; ++m) visit(layer_pair{.student = m, .teacher = d.teacher - d.student + m});
  }
};

/// The lower half of the student's layers, the greater one if they are odd, learns from the teacher's first layers, the
/// others from its last ones. 5 from 12 gives 0, 1, 2, 10, 11. Refuses a deeper student.
struct both_ends_mapping {
  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    detail::expects_shallow_student("both_ends_mapping", d);
    const std::size_t below = (d.student + 1) / 2;
    for (std::size_t m = 0; m < d.student; ++m)
      visit(layer_pair{.student = m, .teacher = m < below ? m : d.teacher - d.student + m});
  }
};

/// Student layer m learns from teacher layer m, layers above the teacher's depth from its last: for a student deeper
/// than its teacher (Lee et al. 2023, arXiv:2305.18239, which fills a student's weights so). 6 from 4 gives 0, 1, 2, 3,
/// 3, 3.
struct dwt_remap_mapping {
  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    detail::expects_layers("dwt_remap_mapping", d);
    for (std::size_t m = 0; m < d.student; ++m) visit(layer_pair{.student = m, .teacher = std::min(m, d.teacher - 1)});
  }
};

}  // namespace limbeck
