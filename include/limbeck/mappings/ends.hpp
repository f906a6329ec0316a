// Student layers matched with the first, or with the last, layers of the teacher.
#pragma once

#include <concepts>
#include <string>

#include "limbeck/core/error.hpp"
#include "limbeck/mappings/mapping_policy.hpp"

namespace limbeck {
namespace detail {

/// Throws contract_error unless the student has a layer and is no deeper than the teacher.
constexpr void expects_shallow_student(const char* mapping, depths d) {
  expects(d.student > 0 && d.student <= d.teacher, [&] {
    return message(mapping, ": the student needs 1 to as many layers as the teacher, student ", d.student, ", teacher ",
                   d.teacher);
  });
}

}  // namespace detail

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

}  // namespace limbeck
