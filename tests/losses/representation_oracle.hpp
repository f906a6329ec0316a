// The float64 reference of the losses on attention maps and hidden states: formulas over whole padded arrays and a
// mask. It shares no code with the kernels; for reducers see oracle.hpp.
#pragma once

#include <vector>
#include <xtensor/xview.hpp>

#include "losses/oracle.hpp"
#include "losses/representation_case.hpp"

namespace limbeck_test::oracle {

inline array of(const grid& g) {
  array a = xt::zeros<double>({g.samples, g.heads, g.rows, g.columns});
  std::copy(g.data.begin(), g.data.end(), a.begin());
  return a;
}

// [samples, 1, length, 1]: 1 for the first `count` rows of each sample
inline array valid(const std::vector<index>& count, index length) {
  array mask = xt::zeros<double>({static_cast<index>(count.size()), index{1}, length, index{1}});
  for (std::size_t b = 0; b < count.size(); ++b) xt::view(mask, b, 0, xt::range(0, count[b]), 0) = 1.0;
  return mask;
}
// [1, 1, length, length]: 1 where the key is no later than the query
inline array lower_triangle(index length) {
  array mask = xt::zeros<double>({index{1}, index{1}, length, length});
  for (index r = 0; r < length; ++r) xt::view(mask, 0, 0, r, xt::range(0, r + 1)) = 1.0;
  return mask;
}
inline array swapped(const array& mask) { return xt::transpose(mask, {0, 1, 3, 2}); }

inline array zeroed(const array& scores) { return xt::where(scores <= -100, 0.0, scores); }

// What a sample's entries sum to: [samples].
inline array per_sample(const array& a) {
  array sum = xt::sum(a, {1, 2, 3});
  return sum;
}

struct squared_difference {
  array value, gradient;
};
// The mean over `size` entries (heads of a map, columns of a state) of the squared differences that the mask keeps.
inline squared_difference squared_error(const array& student, const array& teacher, const array& mask, double size) {
  const array error = mask * (student - teacher);
  return {per_sample(error * error) / size, 2 * error / size};
}

// y = h W' + b, for h [samples, 1, length, in], W [out, in], b [out]
inline array projected(const array& h, const array& weight, const array& bias) {
  const array products = xt::view(h, xt::all(), xt::all(), xt::all(), xt::newaxis(), xt::all()) * weight;
  const array y = xt::sum(products, {4});
  return y + bias;
}
// What flows back: to h, to W, to b.
struct projected_gradient {
  array state, weight, bias;
};
inline projected_gradient projected_back(const array& h, const array& weight, const array& dy) {
  const array rows = xt::view(dy, xt::all(), xt::all(), xt::all(), xt::all(), xt::newaxis());
  const array through = rows * weight;
  const array outer = rows * xt::view(h, xt::all(), xt::all(), xt::all(), xt::newaxis(), xt::all());
  projected_gradient back;
  back.state = xt::sum(through, {3});
  back.weight = xt::sum(outer, {0, 1, 2});
  back.bias = xt::sum(dy, {0, 1, 2});
  return back;
}

}  // namespace limbeck_test::oracle
