// A batch of vectors, one a sample, as hidden states of one token each, and their textbook formulas: what the tests of
// losses on vectors of samples share.
#pragma once

#include <cmath>
#include <random>
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

/// The worst error of the gradient over `shapes` random batches of up to 7 samples and 9 columns; made(random): a loss.
/// `samples` may be longer than one token.
template <class Made>
double worst_slope(unsigned seed, int shapes, bool one_width, Made&& made) {
  std::mt19937 random(seed);
  const auto up_to = [&](unsigned most) { return static_cast<index>(1 + random() % most); };
  double worst = 0;
  for (int shape = 0; shape < shapes; ++shape) {
    const index samples = up_to(7), width = up_to(8) + 1, teacher_width = one_width ? width : up_to(8) + 1;
    representation_case<> c{limbeck::signal::hidden, {}, {}, {}};
    c.student.emplace_back(samples, 1, 3, width, static_cast<unsigned>(random()));
    c.teacher.emplace_back(samples, 1, 3, teacher_width, static_cast<unsigned>(random()));
    for (index i = 0; i < samples; ++i) {
      const index length = up_to(3);
      c.sizes.push_back({0, length, length});
      c.weight.push_back(random() % 4 == 0 ? 0 : static_cast<double>(1 + random() % 3));
    }
    c.per.samples = static_cast<double>(samples);
    worst = std::max(worst, slope_error(c, made(random, samples, width), 0));
  }
  return worst;
}

}  // namespace limbeck_test
