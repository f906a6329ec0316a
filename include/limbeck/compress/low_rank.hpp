// A matrix as the product of two thin ones.
#pragma once

#include <Eigen/Core>
#include <Eigen/SVD>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "limbeck/backend/eigen.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// The numbers that factors [rows, rank] and [rank, columns] hold, as a share of rows * columns; sparsity: of the
/// factors, 0 to 1, what a magnitude_mask() then drops (LadaBERT, Mao et al. 2020, arXiv:2004.04124, section 3.1).
[[nodiscard]] constexpr double ratio_of_rank(index rows, index columns, index rank, double sparsity = 0) {
  return static_cast<double>(rank) * static_cast<double>(rows + columns) * (1 - sparsity) /
         (static_cast<double>(rows) * static_cast<double>(columns));
}

/// The largest rank whose factors hold at most `ratio` times the numbers of the matrix; at most the full one. Throws
/// contract_error where ratio < 0.
[[nodiscard]] inline index rank_of_ratio(index rows, index columns, double ratio) {
  expects(ratio >= 0, [&] { return message("rank_of_ratio: ratio ", ratio, ", must not be negative"); });
  if (rows == 0 || columns == 0) return 0;
  const double rank = ratio / ratio_of_rank(rows, columns, 1);
  const auto full = static_cast<double>(std::min(rows, columns));
  return static_cast<index>(std::min(full, std::floor(rank * (1 + 1e-12))));  // a rank's own ratio gives it back
}

/// The singular value decomposition of a matrix, from which factors of any rank follow. In double, on one thread; 768 x
/// 768 takes seconds. Allocates a few matrices of its size.
class singular_decomposition {
 public:
  /// matrix: [rows, columns]. row_weight [rows], not negative, weighs the squared error of a row, by how often its word
  /// occurs, say (GroupReduce, Chen et al. 2018, arXiv:1806.06950, section 3.2: a row_block() for each of its blocks);
  /// empty: 1 for each. Throws contract_error where a number is not finite, or the weights do not fit.
  template <class T>
  explicit singular_decomposition(const view<const T, 2>& matrix, const view<const T, 1>& row_weight = {})
      : matrix_(matrix.extent(0), matrix.extent(1)) {
    expects(row_weight.empty() || row_weight.extent(0) == rows(), [&] {
      return message("singular_decomposition: ", row_weight.extent(0), " weights for ", rows(), " rows");
    });
    Eigen::MatrixXd weighted(rows(), columns());
    for (index r = 0; r < rows(); ++r) {
      const double weight = row_weight.empty() ? 1 : static_cast<double>(row_weight(r));
      expects(weight >= 0 && std::isfinite(weight),
              [&] { return message("singular_decomposition: row ", r, " has a weight of ", weight); });
      for (index c = 0; c < columns(); ++c) {
        matrix_(r, c) = static_cast<double>(matrix(r, c));
        expects(std::isfinite(matrix_(r, c)),
                [&] { return message("singular_decomposition: [", r, ", ", c, "] is ", matrix_(r, c)); });
        weighted(r, c) = std::sqrt(weight) * matrix_(r, c);
      }
    }
    decompose(weighted);
  }

  [[nodiscard]] index rows() const { return matrix_.rows(); }
  [[nodiscard]] index columns() const { return matrix_.cols(); }
  [[nodiscard]] index full_rank() const { return std::min(rows(), columns()); }
  /// [full rank], falling; of sqrt(row weight) * row, where there are weights.
  [[nodiscard]] std::span<const double> singular_values() const { return values_; }

  /// The smallest rank that keeps at least `share`, 0 to 1, of the sum of the squared singular values; 0 for a matrix
  /// of zeros.
  [[nodiscard]] index rank_of_energy(double share) const {
    expects(share >= 0 && share <= 1,
            [&] { return message("singular_decomposition: a share of ", share, ", must be 0 to 1"); });
    index rank = 0;
    // from the dropped ones, smallest first: all of them is what nothing but the full rank keeps
    while (rank < full_rank() && dropped_squares(rank) > (1 - share) * dropped_squares(0)) ++rank;
    return rank;
  }

  /// The distance of the product from the matrix: the square root of the sum of all squared differences, each times
  /// its row's weight. No product of that rank is nearer (Eckart and Young 1936).
  [[nodiscard]] double error(index rank) const {
    expects_rank(rank);
    return std::sqrt(dropped_squares(rank));
  }

  /// left * right is the nearest product of `rank` (LORTSAR's SVD of weights): left [rows, rank], right [rank,
  /// columns], a column of left as long as the row of right that it meets. As two maps for one: ops::linear with
  /// right, then with left. Rows of weight 0 come as near as right allows. Throws contract_error where shapes do not
  /// fit or rank is above the full one.
  template <class T>
  void factors(index rank, const view<T, 2>& left, const view<T, 2>& right) const {
    expects_rank(rank);
    expects(
        left.extent(0) == rows() && left.extent(1) == rank && right.extent(0) == rank && right.extent(1) == columns(),
        [&] {
          return message("singular_decomposition: factors ", shape_text(left), " and ", shape_text(right), " for rank ",
                         rank, " of [", rows(), ", ", columns(), "]");
        });
    for (index k = 0; k < rank; ++k) {
      const Eigen::VectorXd column = matrix_ * right_.col(k);
      const double length = std::sqrt(column.norm()), inverse = length > 0 ? 1 / length : 0;
      for (index r = 0; r < rows(); ++r) left(r, k) = static_cast<T>(column(r) * inverse);
      for (index c = 0; c < columns(); ++c) right(k, c) = static_cast<T>(right_(c, k) * length);
    }
  }

 private:
  template <class Matrix>  // a template, so that only who decomposes compiles it
  void decompose(const Matrix& weighted) {
    if (full_rank() == 0) return;
    const detail::eigen_on_one_thread alone;
    // by rotations: right to the last digits, and compiled in a quarter of the time of divide and conquer
    const Eigen::JacobiSVD<Matrix, Eigen::HouseholderQRPreconditioner> found(weighted, Eigen::ComputeThinV);
    right_ = found.matrixV();
    const auto& values = found.singularValues();
    values_.assign(values.data(), values.data() + values.size());
  }
  [[nodiscard]] double dropped_squares(index rank) const {
    double sum = 0;
    for (index i = full_rank(); i-- > rank;)
      sum += values_[static_cast<std::size_t>(i)] * values_[static_cast<std::size_t>(i)];
    return sum;
  }
  void expects_rank(index rank) const {
    expects(rank >= 0 && rank <= full_rank(), [&] {
      return message("singular_decomposition: rank ", rank, " of a matrix [", rows(), ", ", columns(), "]");
    });
  }

  Eigen::MatrixXd matrix_, right_;  // right_: a column for each singular value
  std::vector<double> values_;
};

}  // namespace limbeck
