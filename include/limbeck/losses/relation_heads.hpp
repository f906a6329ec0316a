// Into how many heads relations cut the widths of both models.
#pragma once

#include "limbeck/core/error.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck::detail {

/// Stands where a projection would: widths may differ, the heads must divide both.
struct relation_heads {
  index count;
};
inline void expects_widths(const char* loss, const relation_heads& heads, index student, index teacher) {
  expects(heads.count > 0 && student % heads.count == 0 && teacher % heads.count == 0, [&] {
    return message(loss, ": ", heads.count, " heads do not divide a student's width of ", student,
                   " and a teacher's of ", teacher);
  });
}

}  // namespace limbeck::detail
