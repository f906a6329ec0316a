// What is measured of two rows of attention, for the host and for a device.
#pragma once

#include "limbeck/core/config.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/compared.hpp"

namespace limbeck {

/// What is measured of the teacher's and the student's distribution. The cross-entropy is the divergence plus the
/// teacher's entropy, with the same gradient.
enum class row_divergence { kl, cross_entropy };

namespace detail {

/// Of one key of rows that are probabilities already: its share of the sum, and minus its slope with respect to the
/// student's probability. Infinite where the student rules out what the teacher does not; the slope stays finite.
/// `smallest`: the least positive number of full digits.
template <class V>
[[nodiscard]] LIMBECK_HD divergence_term<V> probability_term(row_divergence measure, const V& student, const V& teacher,
                                                             const V& smallest) {
  const V ratio = (measure == row_divergence::kl ? teacher : V(1)) / student;
  return {where(teacher == V(0), V(0), teacher * log(ratio)), teacher / max(student, smallest)};
}

}  // namespace detail
}  // namespace limbeck
