// The metrics of GLUE: how good predictions are.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "limbeck/core/error.hpp"

namespace limbeck {
namespace detail {

inline void expects_as_many(std::size_t labels, std::size_t predictions) {
  expects(labels == predictions,
          [&] { return message("metrics: ", labels, " labels, ", predictions, " predictions"); });
}

/// a / b, 0 where b is 0.
[[nodiscard]] constexpr double ratio(double a, double b) { return b == 0 ? 0 : a / b; }

/// Ranks from 1; equal values share the mean of theirs.
[[nodiscard]] inline std::vector<double> average_ranks(std::span<const double> x) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
  std::vector<double> rank(x.size());
  for (std::size_t i = 0, j = 0; i < order.size(); i = j) {
    while (j < order.size() && x[order[j]] == x[order[i]]) ++j;
    for (std::size_t k = i; k < j; ++k) rank[order[k]] = (static_cast<double>(i + j) + 1) / 2;
  }
  return rank;
}

}  // namespace detail

using label_span = std::span<const std::int32_t>;

/// The share of right predictions; 0 of no sample.
[[nodiscard]] inline double accuracy(label_span labels, label_span predictions) {
  detail::expects_as_many(labels.size(), predictions.size());
  double right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) right += labels[i] == predictions[i] ? 1 : 0;
  return detail::ratio(right, static_cast<double>(labels.size()));
}

/// The harmonic mean of precision and recall of one class, 0 where both are undefined. GLUE's F1 is that of class 1.
[[nodiscard]] inline double f1_of_class(label_span labels, label_span predictions, std::int32_t positive = 1) {
  detail::expects_as_many(labels.size(), predictions.size());
  double both = 0, either = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    both += labels[i] == positive && predictions[i] == positive ? 1 : 0;
    either += (labels[i] == positive ? 1 : 0) + (predictions[i] == positive ? 1 : 0);
  }
  return detail::ratio(2 * both, either);
}

/// The mean of the F1 of every class that occurs among labels or predictions.
[[nodiscard]] inline double f1_macro(label_span labels, label_span predictions) {
  std::set<std::int32_t> classes(labels.begin(), labels.end());
  classes.insert(predictions.begin(), predictions.end());
  double total = 0;
  for (const std::int32_t c : classes) total += f1_of_class(labels, predictions, c);
  return detail::ratio(total, static_cast<double>(classes.size()));
}

/// Matthews' correlation coefficient, for any number of classes (Gorodkin 2004, "Comparing two K-category assignments
/// by a K-category correlation coefficient"); 0 where labels or predictions are constant.
[[nodiscard]] inline double matthews(label_span labels, label_span predictions) {
  detail::expects_as_many(labels.size(), predictions.size());
  std::set<std::int32_t> classes(labels.begin(), labels.end());
  classes.insert(predictions.begin(), predictions.end());
  const double n = static_cast<double>(labels.size());
  double right = 0, cross = 0, of_labels = 0, of_predictions = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) right += labels[i] == predictions[i] ? 1 : 0;
  for (const std::int32_t c : classes) {
    const auto l = static_cast<double>(std::ranges::count(labels, c));
    const auto p = static_cast<double>(std::ranges::count(predictions, c));
    cross += l * p;
    of_labels += l * l;
    of_predictions += p * p;
  }
  return detail::ratio(right * n - cross, std::sqrt(n * n - of_predictions) * std::sqrt(n * n - of_labels));
}

/// Pearson's correlation; nothing where one side is constant or has fewer than two values.
[[nodiscard]] inline std::optional<double> pearson(std::span<const double> labels,
                                                   std::span<const double> predictions) {
  detail::expects_as_many(labels.size(), predictions.size());
  const auto constant = [](std::span<const double> x) {  // asked of the values: their mean is rounded
    return std::ranges::adjacent_find(x, std::not_equal_to<>()) == x.end();
  };
  if (constant(labels) || constant(predictions)) return std::nullopt;
  const double n = static_cast<double>(labels.size());
  const auto mean = [&](std::span<const double> x) { return std::accumulate(x.begin(), x.end(), 0.0) / n; };
  const double a = mean(labels), b = mean(predictions);
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    ab += (labels[i] - a) * (predictions[i] - b);
    aa += (labels[i] - a) * (labels[i] - a);
    bb += (predictions[i] - b) * (predictions[i] - b);
  }
  if (aa == 0 || bb == 0) return std::nullopt;
  return std::clamp(ab / (std::sqrt(aa) * std::sqrt(bb)), -1.0, 1.0);
}

/// Spearman's correlation: Pearson's of ranks, equal values sharing the mean of theirs.
[[nodiscard]] inline std::optional<double> spearman(std::span<const double> labels,
                                                    std::span<const double> predictions) {
  detail::expects_as_many(labels.size(), predictions.size());
  return pearson(detail::average_ranks(labels), detail::average_ranks(predictions));
}

}  // namespace limbeck
