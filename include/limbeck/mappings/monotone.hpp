// The mapping that pairs the layers that are most alike, in order.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "limbeck/mappings/explicit.hpp"
#include "limbeck/mappings/layer_table.hpp"

namespace limbeck {

/// A teacher layer for each student layer such that the sum of `alikeness` over the pairs is the largest that there is
/// without going back: every student layer's teacher layer lies behind that of the one before, or, under a student
/// deeper than its teacher, not before it. Of equal sums the one with the lower layers. By dynamic programming; throws
/// contract_error where a number is not finite.
[[nodiscard]] inline explicit_mapping monotone_mapping(const layer_table& alikeness) {
  alikeness.expects_finite("monotone_mapping");
  const auto [students, teachers] = alikeness.size();
  const std::size_t step = students <= teachers ? 1 : 0;
  constexpr double never = -std::numeric_limits<double>::infinity();
  // best(m, n): of student layers 0 .. m where m has teacher layer n; before(m, n): that of m - 1.
  std::vector<double> best(students * teachers, never);
  std::vector<std::size_t> before(students * teachers, 0);
  for (std::size_t m = 0; m < students; ++m) {
    double top = m == 0 ? 0 : never;
    std::size_t at = 0;
    for (std::size_t n = 0; n < teachers; ++n) {
      if (m > 0 && n >= step && best[(m - 1) * teachers + n - step] > top) {
        at = n - step;
        top = best[(m - 1) * teachers + at];
      }
      best[m * teachers + n] = top + alikeness(m, n);
      before[m * teachers + n] = at;
    }
  }
  std::size_t n = 0;
  for (std::size_t k = 1; k < teachers; ++k)
    if (best[(students - 1) * teachers + k] > best[(students - 1) * teachers + n]) n = k;
  explicit_mapping map;
  map.pairs.resize(students);
  for (std::size_t m = students; m-- > 0; n = before[m * teachers + n]) map.pairs[m] = {.student = m, .teacher = n};
  return map;
}

}  // namespace limbeck
