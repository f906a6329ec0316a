// A mapping less the student's last layer, which learns from the labels and the teacher's answer already.
#pragma once

#include <concepts>
#include <string>

#include "limbeck/core/error.hpp"
#include "limbeck/mappings/ends.hpp"
#include "limbeck/mappings/mapping_policy.hpp"
#include "limbeck/mappings/uniform.hpp"

namespace limbeck {

/// The pairs of another mapping but for those of the student's last layer. Refuses a student of fewer than two layers,
/// and what the other refuses.
template <mapping_policy Map>
struct without_last_layer {
  Map map{};

  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    expects(d.student > 1, [&] {
      return message("without_last_layer: needs a student of two layers or more, student ", d.student, ", teacher ",
                     d.teacher);
    });
    map(d, [&](layer_pair p) {
      if (p.student + 1 < d.student) visit(p);
    });
  }
};

/// The two mappings of patient distillation (Sun et al. 2019, arXiv:1908.09355, section 3.2). 6 from 12 gives 1, 3, 5,
/// 7, 9 and 6, 7, 8, 9, 10.
using pkd_skip_mapping = without_last_layer<uniform_mapping>;
using pkd_last_mapping = without_last_layer<last_mapping>;

}  // namespace limbeck
