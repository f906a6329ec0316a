// Rows turned into each other until they are orthogonal: what a singular value decomposition is made of here.
#pragma once

#include <algorithm>
#include <cmath>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/backend/simd.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck::detail {

/// Rows of numbers in double, each followed by zeros up to whole vectors.
class padded_rows {
 public:
  padded_rows() = default;
  padded_rows(index rows, index columns)
      : rows_(rows), columns_(columns), stride_((columns + 15) / 16 * 16), memory_(rows * stride_) {}

  [[nodiscard]] index rows() const { return rows_; }
  [[nodiscard]] index columns() const { return columns_; }
  [[nodiscard]] index stride() const { return stride_; }
  [[nodiscard]] double* row(index r) { return memory_.data() + r * stride_; }
  [[nodiscard]] const double* row(index r) const { return memory_.data() + r * stride_; }

 private:
  index rows_ = 0, columns_ = 0, stride_ = 0;
  buffer<double> memory_;
};

/// sum = a . b, for `count` numbers, a multiple of 16.
struct row_product {
  template <int Bytes>
  LIMBECK_HD static void run(const double* a, const double* b, index count, double& sum) {
    using V = simd_of_bytes<double, Bytes>;
    V even(0.0), odd(0.0);
    for (index c = 0; c < count; c += 2 * V::width) {
      even = multiply_add(load<V>(a + c), load<V>(b + c), even);
      odd = multiply_add(load<V>(a + c + V::width), load<V>(b + c + V::width), odd);
    }
    sum = horizontal_sum(even + odd);
  }
};

/// a, b = cosine * a - sine * b, sine * a + cosine * b.
struct row_rotation {
  template <int Bytes>
  LIMBECK_HD static void run(double* a, double* b, index count, double cosine, double sine) {
    using V = simd_of_bytes<double, Bytes>;
    const V c(cosine), s(sine);
    for (index i = 0; i < count; i += V::width) {
      const V x = load<V>(static_cast<const double*>(a + i)), y = load<V>(static_cast<const double*>(b + i));
      store(a + i, c * x - s * y);
      store(b + i, s * x + c * y);
    }
  }
};

/// a += factor * b.
struct row_step {
  template <int Bytes>
  LIMBECK_HD static void run(double* a, const double* b, index count, double factor) {
    using V = simd_of_bytes<double, Bytes>;
    const V f(factor);
    for (index i = 0; i < count; i += V::width)
      store(a + i, multiply_add(f, load<V>(b + i), load<V>(static_cast<const double*>(a + i))));
  }
};

[[nodiscard]] inline double product_of(const double* a, const double* b, index count) {
  double sum = 0;
  simd_dispatch<row_product>(a, b, count, sum);
  return sum;
}

/// What is left of rows that depend on others, far below the rounding of numbers of about 1: nothing.
inline constexpr double vanishing_square = 1e-200;

/// Turns each pair of rows by the angle that makes it orthogonal, over and over until all are (one-sided Jacobi
/// rotations: Hestenes 1958, J. SIAM 6(1)). The largest number is about 1. The rows are then singular values times
/// right singular vectors, in no order.
inline void make_orthogonal(padded_rows& m) {
  constexpr int most_sweeps = 60;  // a dozen is many
  const double tolerance = 2.3e-16 * std::sqrt(static_cast<double>(m.columns()));
  buffer<double> squares(m.rows());
  bool turned = true;
  for (int sweep = 0; sweep < most_sweeps && turned; ++sweep) {
    turned = false;
    for (index i = 0; i < m.rows(); ++i) {
      squares.data()[i] = product_of(m.row(i), m.row(i), m.stride());
      if (squares.data()[i] < vanishing_square) std::fill_n(m.row(i), m.stride(), squares.data()[i] = 0);
    }
    for (index i = 0; i < m.rows(); ++i)
      for (index j = i + 1; j < m.rows(); ++j) {
        double &a = squares.data()[i], &b = squares.data()[j];
        if (a == 0 || b == 0) continue;
        const double both = product_of(m.row(i), m.row(j), m.stride());
        if (!(std::abs(both) > tolerance * std::sqrt(a) * std::sqrt(b))) continue;
        const double zeta = (b - a) / (2 * both);
        const double tangent = std::copysign(1 / (std::abs(zeta) + std::sqrt(1 + zeta * zeta)), zeta);
        const double cosine = 1 / std::sqrt(1 + tangent * tangent);
        simd_dispatch<row_rotation>(m.row(i), m.row(j), m.stride(), cosine, cosine * tangent);
        a = std::max(0.0, a - tangent * both);
        b += tangent * both;
        turned = true;
      }
  }
}

/// The upper triangle of the QR decomposition of a matrix given by its columns, which are lost; its largest number is
/// about 1 (modified Gram-Schmidt, whose triangle is as good as Householder's: Bjorck 1967, BIT 7).
[[nodiscard]] inline padded_rows triangle_of(padded_rows& columns) {
  const index count = columns.rows();
  padded_rows triangle(count, count);
  for (index k = 0; k < count; ++k) {
    double* const q = columns.row(k);
    const double square = product_of(q, q, columns.stride());
    if (square < vanishing_square) continue;
    triangle.row(k)[k] = std::sqrt(square);
    for (index j = k + 1; j < count; ++j) {
      const double along = product_of(q, columns.row(j), columns.stride()) / square;
      triangle.row(k)[j] = along * triangle.row(k)[k];
      simd_dispatch<row_step>(columns.row(j), static_cast<const double*>(q), columns.stride(), -along);
    }
  }
  return triangle;
}

}  // namespace limbeck::detail
