// What a teacher kept of each row of class scores, and what becomes of the rest: for the host and for a device.
#pragma once

#include <cstdint>

#include "limbeck/core/view.hpp"

namespace limbeck {

/// What becomes of the classes that a teacher did not keep.
enum class top_k_mode {
  tail_bucket,           ///< one class more, on both sides: exact for the classes that were kept
  renormalised_teacher,  ///< impossible in the teacher's view; the student is asked about all classes
  renormalised_both,     ///< left out on both sides
};

namespace detail {

/// Classes and their logits, [rows, k], the former rising in each row; log_rest [rows]: of the others.
template <class U, backend B = cpu>
struct kept_rows {
  view<const std::int32_t, 2, B> classes;
  view<const U, 2, B> logits;
  view<const U, 1, B> log_rest;
};

}  // namespace detail
}  // namespace limbeck
