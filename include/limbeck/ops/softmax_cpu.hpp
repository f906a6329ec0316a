// Softmax of rows on the host.
#pragma once

#include <limits>

#include "limbeck/backend/simd.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck::ops::detail {

// Rows here are whole vectors: `columns` is a multiple of V::width, and what stands behind the visible elements may be
// anything.

/// x = f(x) in the first `visible` of `columns` lanes, 0 in the others.
template <class V, class F, class T>
LIMBECK_HD void change_row(T* x, index visible, index columns, const F& f) {
  index c = 0;
  for (; c + V::width <= visible; c += V::width) store(x + c, f(load<V>(x + c)));
  for (; c < columns; c += V::width) store(x + c, where(first_lanes<V>(visible - c), f(load<V>(x + c)), V(T(0))));
}

template <class V>
struct exponential_below {
  V top;
  LIMBECK_HD V operator()(const V& x) const { return exp_below_one(x - top); }
};
template <class V>
struct multiplied {
  V by;
  LIMBECK_HD V operator()(const V& x) const { return x * by; }
};

/// The largest of the first `visible` elements that is no NaN; -inf where there is none.
template <class V, class T>
LIMBECK_HD T largest_of(const T* x, index visible) {
  const V lowest(-std::numeric_limits<T>::infinity());
  V top = lowest;
  for (index c = 0; c < visible; c += V::width)
    top = max(top, where(first_lanes<V>(visible - c), load<V>(x + c), lowest));
  return horizontal_max(top);
}

/// Turns the first `visible` of `columns` scores into probabilities and the rest into 0. Returns the log of the sum of
/// exp; -inf where no score is visible or all are -inf, and then every probability is 0. A NaN makes the row NaN.
template <class V, class T>
LIMBECK_HD T softmax_row(T* x, index visible, index columns) {
  const T top = largest_of<V>(x, visible);
  const bool none = top == -std::numeric_limits<T>::infinity();
  change_row<V>(x, visible, columns, exponential_below<V>{V(none ? T(0) : top)});  // exp(-inf) is 0, of a NaN is NaN
  V sums(T(0));
  for (index c = 0; c < columns; c += V::width) sums += load<V>(x + c);
  const T sum = horizontal_sum(sums);
  if (sum == T(0)) return -std::numeric_limits<T>::infinity();
  change_row<V>(x, visible, columns, multiplied<V>{V(T(1) / sum)});
  return top + log(sum);
}

/// The same probabilities from scores and a kept log of the sum.
template <class V, class T>
LIMBECK_HD void softmax_row_again(T* x, index visible, index columns, T log_sum) {
  const bool none = log_sum == -std::numeric_limits<T>::infinity();
  change_row<V>(x, none ? index{0} : visible, columns, exponential_below<V>{V(log_sum)});
}

/// From d probabilities to d scores, in place: p (dp - sum p dp).
template <class V, class T>
LIMBECK_HD void softmax_row_backward(const T* p, T* dp, index columns) {
  V sums(T(0));
  for (index c = 0; c < columns; c += V::width) sums += load<V>(p + c) * load<V>(dp + c);
  const V sum(horizontal_sum(sums));
  for (index c = 0; c < columns; c += V::width) store(dp + c, load<V>(p + c) * (load<V>(dp + c) - sum));
}

}  // namespace limbeck::ops::detail
