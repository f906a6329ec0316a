// Student layers spread evenly over the teacher's, and the same the wrong way round.
#pragma once

#include <concepts>

#include "limbeck/mappings/mapping_policy.hpp"

namespace limbeck {

/// Student layer m of M learns from teacher layer ceil(m * N / M) of N, as papers count (Jiao et al. 2020,
/// arXiv:1909.10351, section 3). 4 from 12 gives 2, 5, 8, 11; 5 from 12 gives 2, 4, 7, 9, 11. A deeper student is
/// legal.
struct uniform_mapping {
  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    detail::expects_layers("uniform_mapping", d);
    for (std::size_t m = 0; m < d.student; ++m) visit(layer_pair{.student = m, .teacher = teacher_of(m, d)});
  }
  /// The teacher layer of student layer m.
  [[nodiscard]] static constexpr std::size_t teacher_of(std::size_t m, depths d) {
    return ((m + 1) * d.teacher + d.student - 1) / d.student - 1;
  }
};

/// uniform_mapping with the student's layers in reverse: a control, which should teach worse. 4 from 12 gives 11, 8, 5,
/// 2.
struct reverse_mapping {
  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    detail::expects_layers("reverse_mapping", d);
    for (std::size_t m = 0; m < d.student; ++m)
      visit(layer_pair{.student = m, .teacher = uniform_mapping::teacher_of(d.student - 1 - m, d)});
  }
};

}  // namespace limbeck
