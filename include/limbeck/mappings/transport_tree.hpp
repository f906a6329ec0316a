// The simplex method on a transportation problem in whole numbers: what optimal_transport() is made of.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace limbeck::detail {

/// A basis of a transportation problem: cells (row, column) that join all rows and columns to one tree, and what flows
/// in each. Supplies and demands are such that nothing but all of them adds up to the same on both sides, so every
/// flow is positive and every exchange of cells makes the total cheaper: it comes to an end.
class transport_tree {
 public:
  struct cell {
    std::size_t row, column;
    std::int64_t flow;
  };

  /// The first basis: by the north-west corner.
  transport_tree(std::vector<std::int64_t> supply, std::vector<std::int64_t> demand)
      : rows_(supply.size()), nodes_(supply.size() + demand.size()) {
    for (std::size_t i = 0, j = 0; i < supply.size() && j < demand.size(); supply[i] == 0 ? ++i : ++j) {
      const std::int64_t flow = std::min(supply[i], demand[j]);
      cells_.push_back({i, j, flow});
      supply[i] -= flow;
      demand[j] -= flow;
    }
  }

  /// Exchanges cells until none is cheaper than its prices by more than rounding could make it seem. cost(row, column).
  template <class Cost>
  void minimise(const Cost& cost) {
    double size = 0;
    for (std::size_t i = 0; i < rows_; ++i)
      for (std::size_t j = 0; j < columns(); ++j) size = std::max(size, cost(i, j) < 0 ? -cost(i, j) : cost(i, j));
    const auto count = static_cast<double>(nodes_.size());
    const double rounding = size * count * count * std::numeric_limits<double>::epsilon();
    for (;;) {
      set_prices(cost);
      double least = -rounding;
      std::size_t row = rows_, column = 0;
      for (std::size_t i = 0; i < rows_; ++i)
        for (std::size_t j = 0; j < columns(); ++j)
          if (const double reduced = cost(i, j) - row_price(i) - column_price(j); reduced < least) {
            least = reduced;
            row = i;
            column = j;
          }
      if (row == rows_) return;
      enter(row, column);
    }
  }

  [[nodiscard]] const std::vector<cell>& cells() const { return cells_; }
  /// The sum of the prices of row and column is the cost of a cell of the basis, and no more than that of any other.
  [[nodiscard]] double row_price(std::size_t i) const { return nodes_[i].price; }
  [[nodiscard]] double column_price(std::size_t j) const { return nodes_[rows_ + j].price; }

 private:
  /// A row, or behind the rows a column. `up` is the cell that leads to the first row.
  struct node {
    double price = 0;
    std::size_t depth = 0, above = 0, up = 0;
    bool reached = false;
  };
  [[nodiscard]] std::size_t columns() const { return nodes_.size() - rows_; }

  template <class Cost>
  void set_prices(const Cost& cost) {
    for (node& n : nodes_) n.reached = false;
    nodes_[0] = {.price = 0, .depth = 0, .above = 0, .up = 0, .reached = true};
    for (bool grown = true; grown;) {
      grown = false;
      for (std::size_t k = 0; k < cells_.size(); ++k) {
        std::size_t from = cells_[k].row, to = rows_ + cells_[k].column;
        if (nodes_[from].reached == nodes_[to].reached) continue;
        if (!nodes_[from].reached) std::swap(from, to);
        nodes_[to] = {.price = cost(cells_[k].row, cells_[k].column) - nodes_[from].price,
                      .depth = nodes_[from].depth + 1,
                      .above = from,
                      .up = k,
                      .reached = true};
        grown = true;
      }
    }
  }

  // Sends as much as can be through the new cell and around the circle that it closes. The cell whose flow that uses up
  // leaves the basis.
  void enter(std::size_t row, std::size_t column) {
    std::vector<std::pair<std::size_t, bool>> circle;  // cells, and whether their flow falls
    std::size_t a = row, b = rows_ + column;
    bool a_falls = true, b_falls = true;
    while (a != b) {
      const bool climb_a = nodes_[a].depth >= nodes_[b].depth;
      std::size_t& at = climb_a ? a : b;
      bool& falls = climb_a ? a_falls : b_falls;
      circle.emplace_back(nodes_[at].up, falls);
      falls = !falls;
      at = nodes_[at].above;
    }
    std::int64_t flow = std::numeric_limits<std::int64_t>::max();
    std::size_t leaves = 0;
    for (const auto& [k, falls] : circle)
      if (falls && cells_[k].flow < flow) {
        flow = cells_[k].flow;
        leaves = k;
      }
    for (const auto& [k, falls] : circle) cells_[k].flow += falls ? -flow : flow;
    cells_[leaves] = {row, column, flow};
  }

  std::size_t rows_;
  std::vector<node> nodes_;
  std::vector<cell> cells_;
};

}  // namespace limbeck::detail
