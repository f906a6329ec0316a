// What every provider of a matrix product is held to: the plain triple loop.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "central_difference.hpp"
#include "limbeck/ops/matmul.hpp"

namespace limbeck_test {

using limbeck::index, limbeck::view;

/// A matrix [rows, columns] inside of memory that is larger, row-major or column-major.
template <class T>
class placed {
 public:
  placed(index rows, index columns, bool column_major, index gap, std::uint64_t seed)
      : memory_(std::max<index>(column_major ? columns : rows, 1), (column_major ? rows : columns) + gap, seed),
        rows_(rows),
        columns_(columns),
        column_major_(column_major) {}
  [[nodiscard]] view<T, 2> all() {
    const view<T, 2> stored = row_block(memory_.all(), 0, column_major_ ? columns_ : rows_);
    return column_major_ ? transposed(column_block(stored, 0, rows_)) : column_block(stored, 0, columns_);
  }
  [[nodiscard]] view<const T, 2> seen() { return all(); }
  matrix<T>& memory() { return memory_; }

 private:
  matrix<T> memory_;
  index rows_, columns_;
  bool column_major_;
};

struct product_case {
  index rows, inner, columns;
};

template <class T>
[[nodiscard]] matrix<double> plain_product(view<const T, 2> a, view<const T, 2> b, double alpha, double beta,
                                           view<const T, 2> c) {
  matrix<double> out(c.extent(0), c.extent(1));
  for (index i = 0; i < c.extent(0); ++i)
    for (index j = 0; j < c.extent(1); ++j) {
      double sum = 0;
      for (index k = 0; k < a.extent(1); ++k) sum += static_cast<double>(a(i, k)) * static_cast<double>(b(k, j));
      out(i, j) = alpha * sum + (beta == 0 ? 0 : beta * static_cast<double>(c(i, j)));
    }
  return out;
}

/// One product, in every combination of layouts, with and without gaps between rows.
template <class Provider, class T>
void check_product(product_case p, int threads, double alpha, double beta, double tolerance) {
  const limbeck::cpu_executor<Provider> on{threads};
  for (int layout = 0; layout < 8; ++layout)
    for (const index gap : {0, 3}) {
      placed<T> a(p.rows, p.inner, (layout & 1) != 0, gap, 1), b(p.inner, p.columns, (layout & 2) != 0, gap, 2),
          c(p.rows, p.columns, (layout & 4) != 0, gap, 3);
      if (beta == 0) c.memory().fill(std::numeric_limits<T>::quiet_NaN());
      const matrix<double> want = plain_product<T>(a.seen(), b.seen(), alpha, beta, c.seen());
      matrix<T> before = c.memory();
      limbeck::ops::matmul(on, a.seen(), b.seen(), c.all(), static_cast<T>(alpha), static_cast<T>(beta));
      INFO("[" << p.rows << ", " << p.inner << "] times [" << p.inner << ", " << p.columns << "], layout " << layout
               << ", gap " << gap << ", threads " << threads << ", beta " << beta);
      CHECK(largest_gap(c.seen(), want.seen()) <= tolerance);
      // nothing beside the matrix was written
      if (gap > 0)
        CHECK(same_bits(column_block(c.memory().all(), c.memory().columns() - gap, gap),
                        column_block(before.all(), before.columns() - gap, gap)));
    }
}

template <class Provider>
void check_provider() {
  const std::vector<product_case> cases = {{1, 1, 1}, {5, 7, 3}, {1, 9, 6}, {6, 9, 1}, {1, 8, 1},   {4, 1, 5},
                                           {4, 0, 5}, {1, 0, 3}, {0, 4, 3}, {3, 4, 0}, {17, 33, 9}, {33, 16, 65}};
  for (const product_case& p : cases)
    for (const double beta : {0.0, 1.0, 0.5}) {
      check_product<Provider, double>(p, 1, 1, beta, 1e-13);
      check_product<Provider, float>(p, 1, -0.75, beta, 2e-5);
    }
  for (int threads = 1; threads <= 5; ++threads) {
    const double beta = threads % 2 == 0 ? 1 : 0;
    check_product<Provider, double>({130, 70, 70}, threads, 1, beta, 1e-12);
    check_product<Provider, double>({600, 400, 3}, threads, 1, beta, 1e-12);
    check_product<Provider, double>({2, 400, 700}, threads, 1, beta, 1e-12);
  }
}

/// Calls of one thread count have the same bits.
template <class Provider>
void check_repeatable() {
  const matrix<float> a(150, 90, 1), b(90, 130, 2);
  for (int threads = 1; threads <= 5; ++threads) {
    matrix<float> first(150, 130), again(150, 130);
    const limbeck::cpu_executor<Provider> on{threads};
    limbeck::ops::matmul(on, a.seen(), b.seen(), first.all());
    limbeck::ops::matmul(on, a.seen(), b.seen(), again.all());
    CHECK(same_bits(first.all(), again.all()));
  }
}

/// For how many of some shapes 2 to 5 threads have the bits of one.
template <class Provider, class T>
void check_threads_agree() {
  for (const product_case& p :
       std::vector<product_case>{{512, 96, 64}, {64, 96, 512}, {384, 768, 16}, {331, 257, 129}}) {
    const matrix<T> a(p.rows, p.inner, 1), b(p.inner, p.columns, 2);
    matrix<T> one(p.rows, p.columns);
    limbeck::ops::matmul(limbeck::cpu_executor<Provider>{1}, a.seen(), b.seen(), one.all());
    for (int threads = 2; threads <= 5; ++threads) {
      matrix<T> many(p.rows, p.columns);
      limbeck::ops::matmul(limbeck::cpu_executor<Provider>{threads}, a.seen(), b.seen(), many.all());
      INFO("[" << p.rows << ", " << p.inner << "] times [" << p.inner << ", " << p.columns << "], threads " << threads);
      CHECK(same_bits(one.all(), many.all()));
    }
  }
}

}  // namespace limbeck_test
