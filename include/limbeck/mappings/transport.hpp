// Many-to-many mappings that move the student's weight to the teacher at the least cost, and how the weights follow.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "limbeck/mappings/layer_table.hpp"
#include "limbeck/mappings/mapping_policy.hpp"
#include "limbeck/mappings/transport_tree.hpp"

namespace limbeck {

/// What each layer weighs, of a sum of 1 on either side. Changes from step to step under cost_attention(): a caller who
/// saves its training saves this too.
struct layer_weights {
  std::vector<double> student, teacher;

  /// Equal ones, to start with.
  [[nodiscard]] static layer_weights equal(depths d) {
    return {std::vector<double>(d.student, 1 / static_cast<double>(d.student)),
            std::vector<double>(d.teacher, 1 / static_cast<double>(d.teacher))};
  }
};

/// The cheapest way to move the weights of one side to those of the other.
struct transport_plan {
  std::vector<layer_pair> pairs{};  ///< whose weight, above 0, is what flows; by student layer, then teacher layer
  double cost = 0;                  ///< the sum of weight * cost of the pair
  /// For each layer; they prove the plan: student + teacher price is the cost of a pair where something flows, and no
  /// more than it elsewhere, but for rounding.
  std::vector<double> student_price{}, teacher_price{};

  /// For the losses of this step: the flow counts as a constant. A layer of weight 0 has no pair.
  [[nodiscard]] explicit_mapping mapping() const { return {.pairs = pairs, .partial = true}; }
};

namespace detail {

inline constexpr std::int64_t weight_units = std::int64_t{1} << 50;

/// Weights as whole numbers of units that sum to weight_units. Throws contract_error where one is negative or none is
/// positive.
[[nodiscard]] inline std::vector<std::int64_t> in_units(const char* side, std::span<const double> weights) {
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    expects(weights[i] >= 0 && std::isfinite(weights[i]), [&] {
      return message("optimal_transport: ", side, " layer ", i, " of ", weights.size(), " weighs ", weights[i],
                     ", expected 0 or more");
    });
    sum += weights[i];
  }
  expects(sum > 0 && std::isfinite(sum),
          [&] { return message("optimal_transport: the weights of the ", side, "'s layers sum to ", sum); });
  std::vector<std::int64_t> units;
  double before = 0;
  std::int64_t units_before = 0;
  for (const double w : weights) {  // rounded sums of weights, so that no error adds up
    before += w;
    const std::int64_t so_far = std::llround(before / sum * static_cast<double>(weight_units));
    units.push_back(so_far - units_before);
    units_before = so_far;
  }
  return units;
}

/// The layers that weigh anything.
[[nodiscard]] inline std::vector<std::size_t> weighing(const std::vector<std::int64_t>& units) {
  std::vector<std::size_t> layers;
  for (std::size_t i = 0; i < units.size(); ++i)
    if (units[i] > 0) layers.push_back(i);
  return layers;
}

/// Prices for layers that weigh nothing, too: as high as the others allow.
inline void price_the_rest(const layer_table& cost, const std::vector<std::int64_t>& student_units,
                           const std::vector<std::int64_t>& teacher_units, transport_plan& plan) {
  const depths d = cost.size();
  for (std::size_t i = 0; i < d.student; ++i) {
    if (student_units[i] > 0) continue;
    double price = std::numeric_limits<double>::infinity();
    for (std::size_t j = 0; j < d.teacher; ++j)
      if (teacher_units[j] > 0) price = std::min(price, cost(i, j) - plan.teacher_price[j]);
    plan.student_price[i] = price;
  }
  for (std::size_t j = 0; j < d.teacher; ++j) {
    if (teacher_units[j] > 0) continue;
    double price = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < d.student; ++i) price = std::min(price, cost(i, j) - plan.student_price[i]);
    plan.teacher_price[j] = price;
  }
}

}  // namespace detail

/// The flow F >= 0 with sum over teacher layers = student weights, and over student layers = teacher weights, that
/// makes the sum of F * cost least: the mapping of BERT-EMD (Li et al. 2020, arXiv:2010.06133). Weights count as shares
/// of a sum of 1, rounded to 2^-50; for these the plan is exact. The simplex method: some tens of microseconds for 4 x
/// 12 layers, some milliseconds for 64 x 64. Allocates. Throws contract_error where sizes do not fit, a cost is not
/// finite, a weight is negative or all are 0.
[[nodiscard]] inline transport_plan optimal_transport(const layer_table& cost, const layer_weights& weights) {
  const depths d = cost.size();
  expects(d.student > 0 && weights.student.size() == d.student && weights.teacher.size() == d.teacher, [&] {
    return message("optimal_transport: costs of ", d.student, " student layers and ", d.teacher, " teacher layers, ",
                   weights.student.size(), " and ", weights.teacher.size(), " weights");
  });
  cost.expects_finite("optimal_transport");
  const auto student_units = detail::in_units("student", weights.student),
             teacher_units = detail::in_units("teacher", weights.teacher);
  const auto rows = detail::weighing(student_units), columns = detail::weighing(teacher_units);

  // One part more for each row and all those parts for the last column: then no other sums of rows and columns agree.
  const auto extra = static_cast<std::int64_t>(rows.size()), parts = 2 * extra + 1;
  std::vector<std::int64_t> supply, demand;
  for (const std::size_t i : rows) supply.push_back(student_units[i] * parts + 1);
  for (const std::size_t j : columns) demand.push_back(teacher_units[j] * parts);
  demand.back() += extra;
  detail::transport_tree tree(supply, demand);
  tree.minimise([&](std::size_t i, std::size_t j) { return cost(rows[i], columns[j]); });

  transport_plan plan{.student_price = std::vector<double>(d.student), .teacher_price = std::vector<double>(d.teacher)};
  for (std::size_t i = 0; i < rows.size(); ++i) plan.student_price[rows[i]] = tree.row_price(i);
  for (std::size_t j = 0; j < columns.size(); ++j) plan.teacher_price[columns[j]] = tree.column_price(j);
  detail::price_the_rest(cost, student_units, teacher_units, plan);
  for (const auto& cell : tree.cells()) {
    const std::int64_t units =
        (cell.flow + extra) / parts;  // without the extra parts, of which there are -extra .. extra
    if (units > 0)
      plan.pairs.push_back({rows[cell.row], columns[cell.column],
                            static_cast<double>(units) / static_cast<double>(detail::weight_units)});
  }
  std::sort(plan.pairs.begin(), plan.pairs.end(), [](const layer_pair& a, const layer_pair& b) {
    return a.student != b.student ? a.student < b.student : a.teacher < b.teacher;
  });
  for (const layer_pair& p : plan.pairs) plan.cost += p.weight * cost(p.student, p.teacher);
  return plan;
}

/// The weights of the next step: the less a layer paid for each unit of its weight, the more it weighs (Li et al. 2020,
/// arXiv:2010.06133, as the released code has it: weight[i] = sum of all costs / cost[i], made to sum to 1). A layer
/// that pays nothing weighs 0 from then on, as there; where no layer of a side pays anything, its weights stay. `cost`
/// and `weights` are those the plan was made of. Throws contract_error where sizes do not fit or a cost is negative.
[[nodiscard]] inline layer_weights cost_attention(const transport_plan& plan, const layer_table& cost,
                                                  const layer_weights& weights) {
  const depths d = cost.size();
  expects(weights.student.size() == d.student && weights.teacher.size() == d.teacher, [&] {
    return message("cost_attention: costs of ", d.student, " student layers and ", d.teacher, " teacher layers, ",
                   weights.student.size(), " and ", weights.teacher.size(), " weights");
  });
  layer_weights paid{std::vector<double>(d.student), std::vector<double>(d.teacher)};
  plan.mapping()(d, [&](layer_pair p) {
    const double of_pair = p.weight * cost(p.student, p.teacher);
    expects(of_pair >= 0, [&] {
      return message("cost_attention: student layer ", p.student, " and teacher layer ", p.teacher, " cost ",
                     cost(p.student, p.teacher), ", expected 0 or more");
    });
    paid.student[p.student] += of_pair;
    paid.teacher[p.teacher] += of_pair;
  });
  const auto next = [](const std::vector<double>& before, std::vector<double> paid_by) {
    double least = std::numeric_limits<double>::infinity(), sum = 0;
    for (std::size_t i = 0; i < before.size(); ++i)
      if (paid_by[i] != 0) least = std::min(least, paid_by[i] /= before[i]);
    if (!std::isfinite(least)) return before;
    for (double& x : paid_by) sum += x = x == 0 ? 0 : least / x;
    for (double& x : paid_by) x /= sum;
    return paid_by;
  };
  return {next(weights.student, paid.student), next(weights.teacher, paid.teacher)};
}

/// The mean of two sets of weights: those that losses on attention maps and on hidden states ask for, where both are to
/// have one. Throws contract_error where the sizes differ.
[[nodiscard]] inline layer_weights mean_weights(const layer_weights& a, const layer_weights& b) {
  const auto mean = [](const std::vector<double>& x, const std::vector<double>& y) {
    expects(x.size() == y.size(),
            [&] { return message("mean_weights: weights of ", x.size(), " layers and of ", y.size()); });
    std::vector<double> m(x);
    for (std::size_t i = 0; i < m.size(); ++i) m[i] = (m[i] + y[i]) / 2;
    return m;
  };
  return {mean(a.student, b.student), mean(a.teacher, b.teacher)};
}

}  // namespace limbeck
