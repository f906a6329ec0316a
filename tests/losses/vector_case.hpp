// A batch of vectors, one a sample, as hidden states of one token each, and their textbook formulas: what the tests of
// losses on vectors of samples share.
#pragma once

#include <cmath>
#include <numeric>
#include <vector>

#include "losses/representation_case.hpp"

namespace limbeck_test {

/// `samples` samples of one token in one layer a side.
template <class A = double>
representation_case<A> vector_batch_case(index samples, index width, index teacher_width, unsigned seed) {
  representation_case<A> c{
      limbeck::signal::hidden, {}, {{samples, 1, 1, width, seed}}, {{samples, 1, 1, teacher_width, seed + 1}}};
  for (index i = 0; i < samples; ++i) c.sizes.push_back({0, 1, 1});
  return c;
}

/// The vector of each sample that has weight, of its first token.
template <class A>
std::vector<std::vector<long double>> vectors_that_count(const representation_case<A>& c, const grid& layer) {
  std::vector<std::vector<long double>> all;
  for (index b = 0; b < layer.samples; ++b) {
    if (!c.weight.empty() && c.weight[static_cast<std::size_t>(b)] == 0) continue;
    auto& vector = all.emplace_back();
    for (index i = 0; i < layer.columns; ++i) vector.push_back(layer(b, 0, 0, i));
  }
  return all;
}
inline long double product(const std::vector<long double>& a, const std::vector<long double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0L);
}
inline long double cosine(const std::vector<long double>& a, const std::vector<long double>& b) {
  const long double squares = product(a, a) * product(b, b);
  return squares == 0 ? 0 : product(a, b) / std::sqrt(squares);
}

}  // namespace limbeck_test
