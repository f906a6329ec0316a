// The norm of a gradient, and what clipping makes of it.
#pragma once

#include <algorithm>
#include <cmath>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/models/touched_rows.hpp"
#include "limbeck/training/clipping.hpp"

namespace limbeck {
namespace detail {

/// Adds the squares of whole vectors to sums, one a lane, in double: no overflow below 1e150, and few digits lost.
struct square_lanes_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const T* x, index count, double* lanes) {
    using D = simd<double, simd_of_bytes<T, Bytes>::width>;
    D total = load<D>(lanes);
    for (index i = 0; i + D::width <= count; i += D::width) {
      const D here = load<D>(x + i);
      total += here * here;
    }
    store(lanes, total);
  }
};
/// The sum of the lanes, and of the squares that fill no vector.
struct square_sum_kernel {
  template <int Bytes, class T>
  LIMBECK_HD static void run(const T* x, index count, const double* lanes, double& sum) {
    using D = simd<double, simd_of_bytes<T, Bytes>::width>;
    sum = horizontal_sum(load<D>(lanes));
    for (index i = count / D::width * D::width; i < count; ++i)
      sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
};

/// The sum of the squares of elements begin .. end. A square that is left out is 0, and all others stay in their lanes:
/// the sum has the bits of one without gaps.
template <class T>
[[nodiscard]] double square_sum(const T* x, index begin, index end, const touched_rows& touched) {
  alignas(64) double lanes[touched_rows::grain]{};
  touched.split(begin, end, touched, [&](index from, index to, bool here) {
    if (here) simd_dispatch<square_lanes_kernel>(x + from, to - from, lanes);
  });
  double sum = 0;
  simd_dispatch<square_sum_kernel>(x + begin, end - begin, lanes, sum);
  return sum;
}

struct norm_sums {};

}  // namespace detail

/// The L2 norm of a buffer, summed in double share by share: the same bits for every thread count, and whether or not
/// it is told that the rows that were not touched hold 0.
template <class Provider, class T>
[[nodiscard]] double norm_of(const cpu_executor<Provider>& on, view<const T, 1> x, const touched_rows& touched = {}) {
  constexpr index share = touched_rows::share;
  const index shares = (x.extent(0) + share - 1) / share;
  double* const sums = thread_scratch<detail::norm_sums, double>(shares);
  parallel_each(on.threads, shares, [&](index s) {
    sums[s] = detail::square_sum(x.data(), s * share, std::min((s + 1) * share, x.extent(0)), touched);
  });
  double total = 0;
  for (index s = 0; s < shares; ++s) total += sums[s];
  return std::sqrt(total);
}
/// norm(0) = the same.
template <class Provider, class T>
void norm_of(const cpu_executor<Provider>& on, view<const T, 1> x, view<double, 1> norm,
             const touched_rows& touched = {}) {
  norm(0) = norm_of(on, x, touched);
}

}  // namespace limbeck
