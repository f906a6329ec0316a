// Student layers spread evenly over the teacher's.
#pragma once

#include <concepts>
#include <string>

#include "limbeck/core/error.hpp"
#include "limbeck/mappings/mapping_policy.hpp"

namespace limbeck {

/// Student layer m of M learns from teacher layer ceil(m * N / M) of N, as papers count (Jiao et al. 2020,
/// arXiv:1909.10351, section 3). 4 from 12 gives 2, 5, 8, 11; 5 from 12 gives 2, 4, 7, 9, 11. A deeper student is
/// legal.
struct uniform_mapping {
  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    expects(d.student > 0 && d.teacher > 0, [&] {
      return message("uniform_mapping: needs a layer on both sides, student ", d.student, ", teacher ", d.teacher);
    });
    for (std::size_t m = 0; m < d.student; ++m)
      visit(layer_pair{.student = m, .teacher = ((m + 1) * d.teacher + d.student - 1) / d.student - 1});
  }
};

}  // namespace limbeck
