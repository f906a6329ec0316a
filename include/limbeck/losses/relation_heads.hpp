// What relations are made of: the vectors of a layer in both models, and the heads that cut their widths.
#pragma once

#include <cmath>

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

/// Queries, keys or values of a layer in both models; the gradient is empty where it is not wanted.
template <class S, class U, class G, backend B>
struct pair_of_vectors {
  view<const S, 2, B> student;  ///< [tokens, width]
  view<const U, 2, B> teacher;
  view<G, 2, B> gradient;
};

/// What products of two tokens are multiplied by.
template <class A>
[[nodiscard]] A scale_of_head(index width) {
  return static_cast<A>(1 / std::sqrt(static_cast<double>(width)));
}

}  // namespace limbeck::detail
