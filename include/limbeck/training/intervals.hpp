// How sure a metric of some samples is: intervals that hold the true value in 95 of 100 cases.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/training/evaluation.hpp"

namespace limbeck {

struct confidence_interval {
  double low, high;
  friend bool operator==(const confidence_interval&, const confidence_interval&) = default;
};

/// Of a share: `right` of `samples` independent ones, whatever their true share, 0 and all included (the score interval
/// of Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22(158)). `z`: how many
/// standard deviations to either side; 95 % as it is. Of no sample: all shares.
[[nodiscard]] inline confidence_interval wilson_interval(double right, double samples, double z = 1.959963984540054) {
  expects(right >= 0 && right <= samples,
          [&] { return message("wilson_interval: ", right, " right of ", samples, " samples"); });
  if (samples == 0) return {0, 1};
  const double share = right / samples, square = z * z / samples, middle = (share + square / 2) / (1 + square);
  const double half = z * std::sqrt((share * (1 - share) + square / 4) / samples) / (1 + square);
  return {right == 0 ? 0 : middle - half, right == samples ? 1 : middle + half};  // where rounding might miss them
}

/// The value below which a `share` of the sorted values lies, on a straight line between neighbours.
[[nodiscard]] inline double quantile_of(std::span<const double> sorted, double share) {
  expects(!sorted.empty(), "quantile_of: there are no values");
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

/// How often a bootstrap draws samples anew, and from which stream.
struct bootstrap_options {
  std::uint32_t draws = 1000;
  std::uint64_t seed = 0;
};

namespace detail {

/// The same samples in another number of copies: as many as there are, each drawn from all of them.
[[nodiscard]] inline judged_samples drawn_again(const judged_samples& all, const random_stream& stream) {
  judged_samples out;
  const auto count = static_cast<std::uint64_t>(all.size());
  random_words words{};
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i % 4 == 0) words = stream.at(i / 4);
    const auto from = static_cast<std::size_t>(words.word[i % 4] * count >> 32);
    if (!all.labels.empty()) {
      out.labels.push_back(all.labels[from]);
      out.predicted.push_back(all.predicted[from]);
    }
    if (!all.scores.empty()) {
      out.scores.push_back(all.scores[from]);
      out.given.push_back(all.given[from]);
    }
  }
  return out;
}

}  // namespace detail

/// A metric's name and interval; nothing where it is undefined.
using metric_intervals = std::vector<std::pair<std::string, std::optional<confidence_interval>>>;

/// The 95 % intervals of metrics: Wilson's of an accuracy; of any other the percentiles 2.5 and 97.5 of its values over
/// samples drawn anew with replacement (Efron and Tibshirani 1993, "An Introduction to the Bootstrap", section 13.3),
/// those left out for which it is undefined. The same for the same samples and seed.
[[nodiscard]] inline metric_intervals intervals_of(const std::vector<std::string>& metrics,
                                                   const judged_samples& judged,
                                                   const bootstrap_options& options = {}) {
  std::vector<std::vector<double>> values(metrics.size());
  const bool draws = std::ranges::any_of(metrics, [](const std::string& name) { return name != "accuracy"; });
  for (std::uint32_t draw = 0; draws && draw < options.draws; ++draw) {
    const judged_samples again = detail::drawn_again(judged, {.seed = options.seed, .step = draw});
    for (std::size_t m = 0; m < metrics.size(); ++m)
      if (metrics[m] != "accuracy")
        if (const auto value = metric_of(metrics[m], again)) values[m].push_back(*value);
  }
  metric_intervals out;
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    std::optional<confidence_interval> found;
    std::ranges::sort(values[m]);
    if (metrics[m] == "accuracy") {
      const auto count = static_cast<double>(judged.size());
      found = wilson_interval(std::round(metric_of(metrics[m], judged).value_or(0) * count), count);
    } else if (!values[m].empty()) {
      found = confidence_interval{quantile_of(values[m], 0.025), quantile_of(values[m], 0.975)};
    }
    out.emplace_back(metrics[m], found);
  }
  return out;
}

}  // namespace limbeck
