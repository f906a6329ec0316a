// Ternary weights: by hand, against plain loops, what any of them keep, and the gradient past the rounding.
#include "limbeck/compress/ternary.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "catch.hpp"
#include "compress/matrix_of.hpp"

namespace limbeck {
namespace {

using limbeck_test::largest_gap, limbeck_test::matrix, limbeck_test::matrix_of, limbeck_test::same_bits,
    limbeck_test::undefined;

const cpu_executor<> one_thread, two_threads{2};

template <class T>
matrix<T> ternary(const matrix<T>& weight, const ternary_options& options = {}) {
  matrix<T> out(weight.rows(), weight.columns());
  ternarise(two_threads, weight.seen(), out.all(), options);
  return out;
}

TEST_CASE("ternarise by hand, rows apart and together") {
  const auto weight = matrix_of(2, 4, {1, -2, 0.5, 0, 0.25, -0.25, 0, 0});
  matrix<> out(2, 4), threshold(1, 2), scale(1, 2);
  ternarise(one_thread, weight.seen(), out.all(), {}, threshold.flat(), scale.flat());
  CHECK(threshold(0, 0) == Approx(0.7 * 0.875).epsilon(1e-15));
  CHECK(scale(0, 0) == 1.5);
  CHECK(scale(0, 1) == 0.25);
  CHECK(same_bits(out.seen(), matrix_of(2, 4, {1.5, -1.5, 0, 0, 0.25, -0.25, 0, 0}).seen()));

  matrix<> one(1, 1);
  ternarise(one_thread, weight.seen(), out.all(), {.by = granularity::tensor}, {}, one.flat());
  CHECK(one(0, 0) == Approx(3.5 / 3).epsilon(1e-15));  // above 0.7 * 0.5: 1, 2 and 0.5
  CHECK(out(0, 1) == -one(0, 0));
  CHECK(out(1, 0) == 0);
}

TEST_CASE("ternarise agrees with plain loops, gives three values a group and the nearest scale") {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    const index rows = 1 + seed % 5, columns = 1 + seed * 7 % 23;
    const ternary_options options{.factor = 0.3 + 0.05 * (seed % 9), .clip = seed % 3 == 0 ? 0.6 : unclipped};
    INFO("seed " << seed << ", [" << rows << ", " << columns << "], factor " << options.factor);
    const matrix<> weight(rows, columns, seed);
    const matrix<> got = ternary(weight, options);
    for (index r = 0; r < rows; ++r) {
      double sum = 0, above = 0, count = 0;
      const auto size = [&](index c) { return std::min(std::fabs(weight(r, c)), options.clip); };
      for (index c = 0; c < columns; ++c) sum += size(c);
      const double threshold = options.factor * sum / static_cast<double>(columns);
      for (index c = 0; c < columns; ++c)
        if (size(c) > threshold) above += size(c), ++count;
      const double scale = above / count;
      double squares = 0, smaller = 0, larger = 0;
      for (index c = 0; c < columns; ++c) {
        const double sign = weight(r, c) < 0 ? -1 : 1, want = size(c) > threshold ? sign * scale : 0;
        CHECK(got(r, c) == Approx(want).epsilon(1e-14).margin(1e-300));
        CHECK((got(r, c) == 0 || std::fabs(got(r, c)) == Approx(scale).epsilon(1e-14)));
        const double w = sign * size(c);
        squares += std::pow(w - got(r, c), 2);
        smaller += std::pow(w - 0.99 * got(r, c), 2);
        larger += std::pow(w - 1.01 * got(r, c), 2);
      }
      CHECK(squares < smaller);
      CHECK(squares < larger);
    }
    if (options.clip == unclipped) CHECK(largest_gap(ternary(got, {.factor = 0.7}).seen(), got.seen()) < 1e-15);
  }
}

TEST_CASE("ternarise in float is ternarise in double, rounded, and in place as elsewhere") {
  const matrix<float> weight(7, 33, 5);
  const matrix<> wide(weight);
  for (const granularity by : {granularity::row, granularity::tensor}) {
    matrix<float> in_place = weight;
    ternarise(two_threads, read_only(in_place.all()), in_place.all(), {.by = by});
    CHECK(same_bits(in_place.seen(), matrix<float>(ternary(wide, {.by = by})).seen()));
    CHECK(same_bits(ternary(in_place, {.by = by}).seen(), in_place.seen()));  // three values stay
  }
}

TEST_CASE("ternarise: zeros stay zeros, equal sizes stay, and what is no number shows in its row alone") {
  CHECK(largest_gap(ternary(matrix<>(3, 4)).seen(), matrix<>(3, 4).seen()) == 0);
  const auto equal = matrix_of(1, 3, {-0.5, 0.5, -0.5});
  CHECK(same_bits(ternary(equal).seen(), equal.seen()));
  CHECK(largest_gap(ternary(equal, {.factor = 1}).seen(), matrix<>(1, 3).seen()) == 0);  // none is above the mean
  for (const double broken : {undefined, -limbeck_test::infinity}) {
    const matrix<> got = ternary(matrix_of(2, 2, {1, broken, 3, 3}));
    CHECK(std::isnan(got(0, 0)));
    CHECK(std::isnan(got(0, 1)));
    CHECK(got(1, 0) == 3);
  }
  CHECK(ternary(matrix<>(0, 3), {.by = granularity::tensor}).count() == 0);
}

TEST_CASE("straight_through is the gradient of what is clipped and not rounded") {
  matrix<> x(6, 11, 3, 3);
  const matrix<> flowing(6, 11, 4);
  x(0, 0) = 2.5;
  x(0, 1) = -2.5;
  matrix<> gradient = flowing;
  straight_through(two_threads, x.seen(), 2.5, gradient.all());
  CHECK(gradient(0, 0) == 0);
  CHECK(gradient(0, 1) == 0);
  const auto value = [&] {
    double sum = 0;
    for (index i = 0; i < x.count(); ++i) sum += flowing.data()[i] * std::clamp(x.data()[i], -2.5, 2.5);
    return sum;
  };
  x(0, 0) = x(0, 1) = 3;  // away from the corner
  CHECK(limbeck_test::slope_error(x, gradient, value) < 1e-7);

  std::copy_n(flowing.data(), flowing.count(), gradient.data());
  x(0, 0) = undefined;
  straight_through(one_thread, x.seen(), unclipped, gradient.all());
  CHECK(same_bits(gradient.seen(), flowing.seen()));
}

TEST_CASE("ternarise and straight_through refuse what does not fit") {
  const matrix<> weight(3, 4, 1);
  matrix<> out(3, 4), narrow(3, 3), scale(1, 2);
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(ternarise(one_thread, weight.seen(), narrow.all()), Contains("ternarise: [3, 4] and [3, 3]"));
  CHECK_THROWS_WITH(ternarise(one_thread, weight.seen(), out.all(), {}, {}, scale.flat()),
                    Contains("ternarise scale: 2 for 3 groups"));
  CHECK_THROWS_WITH(ternarise(one_thread, weight.seen(), out.all(), {.by = granularity::tensor}, scale.flat()),
                    Contains("ternarise threshold: 2 for 1 groups"));
  CHECK_THROWS_WITH(ternarise(one_thread, weight.seen(), out.all(), {.factor = -1}), Contains("factor -1"));
  CHECK_THROWS_WITH(ternarise(one_thread, weight.seen(), out.all(), {.clip = 0}), Contains("clip 0"));
  CHECK_THROWS_WITH(straight_through(one_thread, weight.seen(), 1, narrow.all()), Contains("[3, 4] and [3, 3]"));
  CHECK_THROWS_WITH(straight_through(one_thread, weight.seen(), undefined, out.all()), Contains("clip nan"));
}

}  // namespace
}  // namespace limbeck
