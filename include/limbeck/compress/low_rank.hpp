// A matrix as the product of two thin ones.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "limbeck/compress/orthogonal_rows.hpp"
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

/// The singular value decomposition of a matrix, from which factors of any rank follow. In double, on one thread, by
/// rotations; 768 x 768 takes seconds. Allocates a few matrices of its size.
class singular_decomposition {
 public:
  /// matrix: [rows, columns]. row_weight [rows], not negative, weighs the squared error of a row, by how often its word
  /// occurs, say (GroupReduce, Chen et al. 2018, arXiv:1806.06950, section 3.2: a row_block() for each of its blocks);
  /// empty: 1 for each. Throws contract_error where a number is not finite, or the weights do not fit.
  template <class T>
  explicit singular_decomposition(const view<const T, 2>& matrix, const view<const T, 1>& row_weight = {})
      : matrix_(matrix.extent(0), matrix.extent(1)),
        values_(static_cast<std::size_t>(full_rank())),
        order_(static_cast<std::size_t>(full_rank())) {
    expects(row_weight.empty() || row_weight.extent(0) == rows(), [&] {
      return message("singular_decomposition: ", row_weight.extent(0), " weights for ", rows(), " rows");
    });
    std::vector<double> weights(static_cast<std::size_t>(rows()), 1);
    for (index r = 0; r < rows(); ++r) {
      const double weight = row_weight.empty() ? 1 : static_cast<double>(row_weight(r));
      expects(weight >= 0 && std::isfinite(weight),
              [&] { return message("singular_decomposition: row ", r, " has a weight of ", weight); });
      weights[static_cast<std::size_t>(r)] = std::sqrt(weight);
      for (index c = 0; c < columns(); ++c) {
        const double x = matrix_.row(r)[c] = static_cast<double>(matrix(r, c));
        expects(std::isfinite(x), [&] { return message("singular_decomposition: [", r, ", ", c, "] is ", x); });
        largest_ = std::max(largest_, std::abs(x) * std::sqrt(weight));
      }
    }
    if (largest_ > 0) decompose(weights);
  }

  [[nodiscard]] index rows() const { return matrix_.rows(); }
  [[nodiscard]] index columns() const { return matrix_.columns(); }
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
    std::vector<double> column(static_cast<std::size_t>(rows()));
    for (index k = 0; k < rank; ++k) {
      double squares = 0;
      const double* const direction = right_.rows() > 0 ? right_.row(order_[static_cast<std::size_t>(k)]) : nullptr;
      for (index r = 0; r < rows() && direction != nullptr; ++r) {
        double& x = column[static_cast<std::size_t>(r)];
        x = detail::product_of(matrix_.row(r), direction, matrix_.stride());
        squares += x / largest_ * (x / largest_);
      }
      const double length = std::sqrt(std::sqrt(squares) * largest_), inverse = length > 0 ? 1 / length : 0;
      for (index r = 0; r < rows(); ++r) left(r, k) = static_cast<T>(column[static_cast<std::size_t>(r)] * inverse);
      for (index c = 0; c < columns(); ++c)
        right(k, c) = static_cast<T>(direction != nullptr ? direction[c] * length : 0);
    }
  }

 private:
  // The rows of what is rotated are few: those of a wide matrix, of a tall one those of its triangle. Their numbers are
  // at most 1, so that squares neither vanish nor overflow.
  void decompose(const std::vector<double>& weights) {
    const bool tall = rows() > columns();
    detail::padded_rows scaled = tall ? detail::padded_rows(columns(), rows()) : detail::padded_rows(rows(), columns());
    for (index r = 0; r < rows(); ++r)
      for (index c = 0; c < columns(); ++c)
        (tall ? scaled.row(c)[r] : scaled.row(r)[c]) =
            matrix_.row(r)[c] / largest_ * weights[static_cast<std::size_t>(r)];
    right_ = tall ? detail::triangle_of(scaled) : std::move(scaled);
    detail::make_orthogonal(right_);
    std::vector<double> lengths;
    for (index k = 0; k < full_rank(); ++k) {
      double* const row = right_.row(k);
      lengths.push_back(std::sqrt(detail::product_of(row, row, right_.stride())));
      for (index c = 0; c < columns(); ++c) row[c] = lengths.back() > 0 ? row[c] / lengths.back() : 0;
    }
    std::iota(order_.begin(), order_.end(), 0);
    const auto length = [&](index k) { return lengths[static_cast<std::size_t>(k)]; };
    std::stable_sort(order_.begin(), order_.end(), [&](index a, index b) { return length(a) > length(b); });
    for (std::size_t k = 0; k < values_.size(); ++k) values_[k] = length(order_[k]) * largest_;
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

  detail::padded_rows matrix_, right_;  // right_: directions, a row for each singular value; none of zeros
  double largest_ = 0;                  // number of the weighted matrix, in size
  std::vector<double> values_;          // falling
  std::vector<index> order_;            // the row of right_ that has it
};

}  // namespace limbeck
