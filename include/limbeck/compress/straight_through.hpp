// What matrices of few distinct values share: which numbers have one scale, and the gradient past the rounding.
#pragma once

#include <cmath>
#include <limits>
#include <string>

#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// Which numbers of a matrix share a scale: all of them, or those of a row.
enum class granularity { tensor, row };

/// The number of scales that a matrix has.
template <class T>
[[nodiscard]] index scale_count(const view<T, 2>& matrix, granularity by) {
  return by == granularity::row ? matrix.extent(0) : 1;
}

/// No number is beyond it.
inline constexpr double unclipped = std::numeric_limits<double>::infinity();

namespace detail {

/// Calls body(group, rows) for each group of numbers that share a scale; rows: the group's, a matrix. Groups go to
/// threads.
template <class T, class Body>
void for_groups(int threads, const view<T, 2>& matrix, granularity by, const Body& body) {
  const index groups = scale_count(matrix, by), rows = by == granularity::row ? 1 : matrix.extent(0);
  parallel_for(threads, groups, index{1 << 14} / (rows * matrix.extent(1) + 1) + 1, [&](index first, index last) {
    for (index g = first; g < last; ++g) body(g, row_block(matrix, g * rows, rows));
  });
}

/// f(number) for each number of a matrix, in double.
template <class T, class F>
void for_numbers(const view<T, 2>& matrix, F&& f) {
  for (index r = 0; r < matrix.extent(0); ++r)
    for (index c = 0; c < matrix.extent(1); ++c) f(static_cast<double>(matrix(r, c)));
}

/// The nearest number from -clip to clip. A NaN stays one.
[[nodiscard]] inline double clipped(double x, double clip) { return x < -clip ? -clip : x > clip ? clip : x; }

inline void expects_clip(const char* what, double clip) {
  expects(clip > 0, [&] { return message(what, ": clip ", clip, ", must be positive"); });
}
template <class T>
void expects_scales(const char* what, const char* which, const view<T, 1>& scales, index count) {
  expects(scales.empty() || scales.extent(0) == count,
          [&] { return message(what, " ", which, ": ", scales.extent(0), " for ", count, " groups"); });
}

}  // namespace detail

/// The gradient with respect to what was rounded, as if it had not been (Bengio et al. 2013, arXiv:1308.3432, section
/// 2.3): `gradient` [rows, columns] comes with what flows back to the rounded numbers and is set to 0 where |x| >=
/// clip. Throws contract_error where the shapes differ or clip <= 0.
template <class Provider, class T, class G>
void straight_through(const cpu_executor<Provider>& on, const view<const T, 2>& x, double clip,
                      const view<G, 2>& gradient) {
  expects_one_shape("straight_through", x, gradient);
  detail::expects_clip("straight_through", clip);
  if (clip == unclipped) return;
  parallel_for(on.threads, x.extent(0), index{1 << 14} / (x.extent(1) + 1) + 1, [&](index first, index last) {
    for (index r = first; r < last; ++r)
      for (index c = 0; c < x.extent(1); ++c)
        if (std::abs(static_cast<double>(x(r, c))) >= clip) gradient(r, c) = G(0.0F);
  });
}

}  // namespace limbeck
