// Low-rank factors: by hand, the conditions of a nearest product, its error, and ranks from ratios and energies.
#include "limbeck/compress/low_rank.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "compress/matrix_of.hpp"
#include "limbeck/compress/magnitude_mask.hpp"
#include "simd_levels.hpp"

namespace limbeck {
namespace {

using limbeck_test::largest_gap, limbeck_test::matrix, limbeck_test::matrix_of, limbeck_test::undefined;

template <class T>
struct factors_of {
  matrix<T> left, right, product;

  factors_of(const singular_decomposition& found, index rank)
      : left(found.rows(), rank), right(rank, found.columns()), product(found.rows(), found.columns()) {
    found.factors(rank, left.all(), right.all());
    multiply();
  }
  void multiply() {
    product.fill(0);
    for (index r = 0; r < product.rows(); ++r)
      for (index k = 0; k < left.columns(); ++k)
        for (index c = 0; c < product.columns(); ++c) product(r, c) += left(r, k) * right(k, c);
  }
};

// The square root of the sum of all squared differences, each times its row's weight.
double distance(const matrix<>& a, const matrix<>& b, const std::vector<double>& row_weight = {}) {
  double sum = 0;
  for (index r = 0; r < a.rows(); ++r)
    for (index c = 0; c < a.columns(); ++c)
      sum += (row_weight.empty() ? 1 : row_weight[static_cast<std::size_t>(r)]) * std::pow(a(r, c) - b(r, c), 2);
  return std::sqrt(sum);
}
singular_decomposition decomposed(const matrix<>& m, const std::vector<double>& row_weight = {}) {
  return singular_decomposition(m.seen(), view<const double, 1>(row_weight.data(), row_weight.size()));
}

TEST_CASE("factors of a diagonal by hand, the larger value first") {
  const auto found = decomposed(matrix_of(2, 3, {0, -4, 0, 9, 0, 0}));
  CHECK(found.singular_values()[0] == Approx(9).epsilon(1e-15));
  CHECK(found.singular_values()[1] == Approx(4).epsilon(1e-15));
  const factors_of<double> one(found, 1);
  CHECK(largest_gap(one.product.seen(), matrix_of(2, 3, {0, 0, 0, 9, 0, 0}).seen()) < 1e-14);
  CHECK(std::fabs(one.left(1, 0)) == Approx(3));  // both factors have half of it
  CHECK(std::fabs(one.right(0, 0)) == Approx(3));
  CHECK(found.error(1) == Approx(4).epsilon(1e-14));
  // with row 0 ten times as important its -4 counts as 4 * sqrt(10)
  const auto weighted = decomposed(matrix_of(2, 3, {0, -4, 0, 9, 0, 0}), {10, 1});
  CHECK(largest_gap(factors_of<double>(weighted, 1).product.seen(), matrix_of(2, 3, {0, -4, 0, 0, 0, 0}).seen()) <
        1e-14);
  CHECK(weighted.error(1) == Approx(9).epsilon(1e-14));
}

// A nearest product cannot be bettered by moving either factor alone: the weighted residual is orthogonal to both.
void check_nearest(const matrix<>& m, const factors_of<double>& f, const std::vector<double>& row_weight) {
  const auto weighted_residual = [&](index r, index c) {
    return (row_weight.empty() ? 1 : row_weight[static_cast<std::size_t>(r)]) * (m(r, c) - f.product(r, c));
  };
  for (index k = 0; k < f.left.columns(); ++k) {
    for (index r = 0; r < m.rows(); ++r) {
      double along = 0;
      for (index c = 0; c < m.columns(); ++c) along += weighted_residual(r, c) * f.right(k, c);
      CHECK(std::fabs(along) < 1e-12);
    }
    for (index c = 0; c < m.columns(); ++c) {
      double along = 0;
      for (index r = 0; r < m.rows(); ++r) along += weighted_residual(r, c) * f.left(r, k);
      CHECK(std::fabs(along) < 1e-12);
    }
  }
}

TEST_CASE("factors of every rank are nearest, and their distance is what the dropped singular values say") {
  for (unsigned seed = 1; seed <= 12; ++seed) {
    const index rows = 1 + seed % 6, columns = 1 + seed * 5 % 7;
    const matrix<> m(rows, columns, seed, 2);
    std::vector<double> row_weight;
    for (index r = 0; r < rows && seed % 2 == 0; ++r)
      row_weight.push_back(r == 1 ? 0 : 0.25 * static_cast<double>(1 + (r * 7 + seed) % 9));
    const auto found = decomposed(m, row_weight);
    double before = -1;
    for (index rank = found.full_rank(); rank >= 0; --rank) {
      INFO("seed " << seed << ", rank " << rank << " of [" << rows << ", " << columns << "]");
      const factors_of<double> f(found, rank);
      CHECK(found.error(rank) == Approx(distance(m, f.product, row_weight)).margin(1e-13));
      CHECK(found.error(rank) >= before);
      before = found.error(rank);
      check_nearest(m, f, row_weight);
      factors_of<double> other(found, rank);  // of the same rank, a little elsewhere, and anywhere
      for (const double size : {1e-3, 2.0}) {
        const matrix<> left(rows, rank, seed + 100, size), right(rank, columns, seed + 200, size);
        for (index i = 0; i < left.count(); ++i) other.left.data()[i] += left.data()[i];
        for (index i = 0; i < right.count(); ++i) other.right.data()[i] += right.data()[i];
        other.multiply();
        CHECK(distance(m, other.product, row_weight) >= found.error(rank) - 1e-13);
      }
    }
    CHECK(found.error(0) == Approx(distance(m, matrix<>(rows, columns), row_weight)));
    CHECK(found.error(found.full_rank()) == 0);
  }
}

TEST_CASE("rows of equal weight are as those of none, rows of weight 0 come as near as the others allow") {
  const matrix<> m(9, 20, 3);
  const factors_of<double> plain(decomposed(m), 4), equal(decomposed(m, std::vector<double>(9, 2.5)), 4);
  CHECK(largest_gap(plain.product.seen(), equal.product.seen()) < 1e-13);
  CHECK(decomposed(m, std::vector<double>(9, 4)).error(4) == Approx(2 * decomposed(m).error(4)));

  matrix<> twice = matrix_of(3, 2, {1, 2, 2, 4, 5, 1});
  const factors_of<double> one(decomposed(twice, {1, 1, 0}), 1);  // along (1, 2), to which (5, 1) is nearest at 1.4
  CHECK(largest_gap(one.product.seen(), matrix_of(3, 2, {1, 2, 2, 4, 1.4, 2.8}).seen()) < 1e-14);
}

TEST_CASE("a large matrix keeps its digits, in float too") {
  const matrix<> m(70, 45, 8);
  const auto found = decomposed(m);
  CHECK(largest_gap(factors_of<double>(found, 45).product.seen(), m.seen()) < 1e-13);
  CHECK(found.error(20) == Approx(distance(m, factors_of<double>(found, 20).product)).epsilon(1e-12));
  const matrix<float> narrow(m);
  const factors_of<float> f(singular_decomposition(narrow.seen()), 45);
  CHECK(largest_gap(f.product.seen(), narrow.seen()) < 3e-6);
}

TEST_CASE("factors are nearest at every level of instructions, of matrices tall, wide, graded and of extreme size") {
  for (const simd_level level : limbeck_test::simd_levels()) {
    const forced_simd_level forced(level);
    for (const auto& [rows, columns] : {std::pair<index, index>{40, 17}, {17, 40}, {23, 23}})
      for (const double size : {1.0, 1e-200, 1e150}) {
        INFO(name_of(level) << ", [" << rows << ", " << columns << "] of about " << size);
        matrix<> m(rows, columns, 9), relative(rows, columns);
        for (index r = 0; r < rows; ++r)
          for (index c = 0; c < columns; ++c) {
            relative(r, c) = m(r, c) * std::pow(3, -static_cast<double>(c % 6)) * (r % 4 == 3 ? 0 : 1);
            m(r, c) = relative(r, c) * size;
          }
        const auto found = decomposed(m);
        const factors_of<double> f(found, 6);
        matrix<> product = f.product;
        for (index i = 0; i < product.count(); ++i) product.data()[i] /= size;
        if (size == 1) CHECK(found.error(6) == Approx(distance(relative, product)).epsilon(1e-12));
        CHECK(decomposed(relative).error(6) == Approx(distance(relative, product)).epsilon(1e-12));
      }
  }
}

TEST_CASE("matrices of zeros, of one rank and of no rows have factors") {
  const auto zeros = decomposed(matrix<>(4, 3));
  CHECK(zeros.rank_of_energy(1) == 0);
  CHECK(zeros.error(0) == 0);
  CHECK(largest_gap(factors_of<double>(zeros, 3).product.seen(), matrix<>(4, 3).seen()) == 0);
  const matrix<> outer = matrix_of(3, 2, {1, 2, 2, 4, -3, -6});
  CHECK(decomposed(outer).rank_of_energy(1 - 1e-12) == 1);
  CHECK(largest_gap(factors_of<double>(decomposed(outer), 2).product.seen(), outer.seen()) < 1e-14);
  for (const index rows : {1, 60, 100})
    for (const index columns : {1, 60, 100}) {
      INFO("[" << rows << ", " << columns << "]");
      matrix<> ones(rows, columns);
      ones.fill(1);
      const auto found = decomposed(ones);
      CHECK(found.singular_values()[0] == Approx(std::sqrt(static_cast<double>(rows * columns))).epsilon(1e-14));
      CHECK(found.rank_of_energy(1 - 1e-15) == 1);
      for (const index rank : {index{1}, (found.full_rank() + 1) / 2, found.full_rank()})
        CHECK(largest_gap(factors_of<double>(found, rank).product.seen(), ones.seen()) < 1e-13);
    }
  CHECK(decomposed(matrix<>(0, 3)).full_rank() == 0);
}

TEST_CASE("ranks from a share of the energy and from a ratio of numbers") {
  const auto found = decomposed(matrix_of(3, 3, {4, 0, 0, 0, 2, 0, 0, 0, 1}));  // squares 16, 4, 1
  CHECK(found.rank_of_energy(0) == 0);
  CHECK(found.rank_of_energy(15.9 / 21) == 1);
  CHECK(found.rank_of_energy(16.1 / 21) == 2);
  CHECK(found.rank_of_energy(20.1 / 21) == 3);
  CHECK(found.rank_of_energy(1) == 3);
  CHECK(ratio_of_rank(768, 3072, 256) == Approx(256.0 * 3840 / (768 * 3072)));
  CHECK(ratio_of_rank(768, 3072, 256, 0.75) == Approx(64.0 * 3840 / (768 * 3072)));
  for (index rank = 0; rank <= 20; ++rank) CHECK(rank_of_ratio(20, 33, ratio_of_rank(20, 33, rank)) == rank);
  CHECK(rank_of_ratio(20, 33, 0.5) == 6);  // 330 / 53
  CHECK(rank_of_ratio(20, 33, 9) == 20);
  CHECK(rank_of_ratio(0, 33, 1) == 0);
}

TEST_CASE("low rank, then a mask of both factors, leaves the numbers that ratio_of_rank says") {
  const matrix<> weight(24, 16, 5);
  const cpu_executor<> on;
  const singular_decomposition found(weight.seen());
  const index rank = rank_of_ratio(24, 16, 0.8);
  matrix<> left(24, rank), right(rank, 16);
  found.factors(rank, left.all(), right.all());
  for (matrix<>* factor : {&left, &right}) {
    matrix<std::uint8_t> mask(factor->rows(), factor->columns());
    magnitude_mask(factor->seen(), kept_count(factor->count(), 0.5), mask.all());
    apply_mask(on, mask.seen(), factor->all());
  }

  const auto numbers = [](const matrix<>& m) { return m.count() - std::count(m.data(), m.data() + m.count(), 0.0); };
  CHECK(rank == 7);
  CHECK(ratio_of_rank(24, 16, rank, 0.5) * 24 * 16 == Approx(numbers(left) + numbers(right)));
}

TEST_CASE("singular_decomposition refuses what does not fit") {
  const matrix<> m(3, 2, 1);
  const auto found = decomposed(m);
  matrix<> left(3, 1), right(2, 2);
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(found.factors(2, left.all(), right.all()), Contains("[3, 1] and [2, 2] for rank 2 of [3, 2]"));
  CHECK_THROWS_WITH(found.factors(3, left.all(), right.all()), Contains("rank 3 of a matrix [3, 2]"));
  CHECK_THROWS_WITH(found.error(-1), Contains("rank -1"));
  CHECK_THROWS_WITH(found.rank_of_energy(1.1), Contains("a share of 1.1"));
  CHECK_THROWS_WITH(rank_of_ratio(3, 2, -0.5), Contains("ratio -0.5"));
  CHECK_THROWS_WITH(decomposed(m, {1, 2}), Contains("2 weights for 3 rows"));
  CHECK_THROWS_WITH(decomposed(m, {1, 2, -3}), Contains("row 2 has a weight of -3"));
  CHECK_THROWS_WITH(decomposed(matrix_of(1, 2, {0, undefined})), Contains("[0, 1] is nan"));
}

}  // namespace
}  // namespace limbeck
