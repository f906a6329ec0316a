// Softmax of rows, and the same probabilities from a kept log of the sum.
#include "limbeck/ops/softmax_cpu.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"

namespace limbeck {
namespace {

/// In rows of whole vectors, with garbage behind them.
template <class T>
T softmax_row(std::vector<T>& x, index visible) {
  const auto count = x.size();
  x.resize(8, T(7));
  const T log_sum = ops::detail::softmax_row<simd_of_bytes<T, 16>>(x.data(), visible, 8);
  x.resize(count);
  return log_sum;
}

constexpr double infinity = std::numeric_limits<double>::infinity();

TEST_CASE("softmax_row gives probabilities of the visible scores and 0 elsewhere") {
  std::vector<double> x = {0.5, -1, 2, 99, std::nan("")};
  const double sum = std::exp(0.5) + std::exp(-1) + std::exp(2);
  CHECK(softmax_row(x, 3) == Approx(std::log(sum)).epsilon(1e-14));
  CHECK(x[0] == Approx(std::exp(0.5) / sum).epsilon(1e-14));
  CHECK(x[1] == Approx(std::exp(-1) / sum).epsilon(1e-14));
  CHECK(x[2] == Approx(std::exp(2) / sum).epsilon(1e-14));
  CHECK(x[3] == 0);
  CHECK(x[4] == 0);
}

TEST_CASE("softmax_row survives huge scores and scores of minus infinity") {
  std::vector<float> x = {1e4F, 1e4F - 1, -1e30F, -std::numeric_limits<float>::infinity()};
  const float log_sum = softmax_row(x, 4);
  CHECK(log_sum == Approx(1e4 + std::log1p(std::exp(-1))));
  CHECK(x[0] == Approx(1 / (1 + std::exp(-1))));
  CHECK(x[1] == Approx(std::exp(-1) / (1 + std::exp(-1))));
  CHECK(x[2] == 0);
  CHECK(x[3] == 0);
}

TEST_CASE("softmax_row of a row without a visible or finite score is 0 everywhere") {
  std::vector<double> none = {1, 2, 3};
  CHECK(softmax_row(none, 0) == -infinity);
  CHECK(none == std::vector<double>(3));
  std::vector<double> lost = {-infinity, -infinity, 7};
  CHECK(softmax_row(lost, 2) == -infinity);
  CHECK(lost == std::vector<double>(3));
}

TEST_CASE("softmax_row lets a NaN through") {
  const double nan = std::nan("");
  for (std::vector<double> x : {std::vector<double>{1, nan, 2}, {nan, 1, 2}, {1, 2, nan}, {nan, nan, nan}}) {
    CHECK(std::isnan(softmax_row(x, 3)));
    for (const double p : x) CHECK(std::isnan(p));
  }
}

TEST_CASE("softmax_row_again gives the probabilities once more") {
  const std::vector<double> scores = {0.5, -1, 2, 30, 31};
  for (index visible = 0; visible <= 5; ++visible) {
    std::vector<double> p = scores, again = scores;
    const double log_sum = softmax_row(p, visible);
    again.resize(6, 7);
    ops::detail::softmax_row_again<simd_of_bytes<double, 16>>(again.data(), visible, 6, log_sum);
    for (std::size_t c = 0; c < 5; ++c) CHECK(again[c] == Approx(p[c]).epsilon(1e-13).margin(1e-300));
  }
}

}  // namespace
}  // namespace limbeck
