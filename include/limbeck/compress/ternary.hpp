// Weights of three values: a scale, 0 and the scale's negative.
#pragma once

#include "limbeck/compress/straight_through.hpp"

namespace limbeck {

/// TernaryBERT has a scale a row of the embeddings and one for each other matrix, and clips at 2.5.
struct ternary_options {
  double factor = 0.7;  ///< of the mean size: what is not above it becomes 0
  granularity by = granularity::row;
  double clip = unclipped;  ///< weights beyond it count as it; they have no gradient
};

namespace detail {

struct ternary_scale {
  double threshold = 0, scale = 0;
};

template <class T>
[[nodiscard]] ternary_scale ternary_scale_of(const view<const T, 2>& weight, const ternary_options& options) {
  const auto size = [&](double w) { return std::abs(clipped(w, options.clip)); };
  double sum = 0, above = 0;
  index count = 0;
  for_numbers(weight, [&](double w) { sum += size(w); });
  const double threshold = weight.count() > 0 ? options.factor * sum / static_cast<double>(weight.count()) : 0;
  for_numbers(weight, [&](double w) {
    const bool is_above = size(w) > threshold;  // without a branch, which would be foretold badly
    above += is_above ? size(w) : 0;
    count += is_above ? 1 : 0;
  });
  return {threshold, count > 0 ? above / static_cast<double>(count) : 0};
}

}  // namespace detail

/// out = scale * sign(weight) where |weight| > threshold, 0 elsewhere; threshold = factor * mean |weight|, scale = mean
/// of the |weight| above it, which for these signs is the nearest in squares (Li et al. 2016, arXiv:1605.04711, section
/// 2.2; TernaryBERT, Zhang et al. 2020, arXiv:2009.12812, section 3.1). weight, out: [rows, columns], out may be
/// weight; threshold, scale: [rows], [1] for a whole tensor, or empty. A group of zeros stays 0, one with a number that
/// is not finite becomes NaN. Gradient: straight_through(), with the same clip. Throws contract_error where shapes do
/// not fit, factor < 0 or clip <= 0.
template <class Provider, class T>
void ternarise(const cpu_executor<Provider>& on, const view<const T, 2>& weight, const view<T, 2>& out,
               const ternary_options& options = {}, const view<T, 1>& threshold = {}, const view<T, 1>& scale = {}) {
  expects_one_shape("ternarise", weight, out);
  expects(options.factor >= 0, [&] { return message("ternarise: factor ", options.factor, ", must not be negative"); });
  detail::expects_clip("ternarise", options.clip);
  detail::expects_scales("ternarise", "threshold", threshold, scale_count(weight, options.by));
  detail::expects_scales("ternarise", "scale", scale, scale_count(weight, options.by));
  detail::for_groups(on.threads, weight, options.by, [&](index group, const view<const T, 2>& rows) {
    const detail::ternary_scale found = detail::ternary_scale_of(rows, options);
    if (!threshold.empty()) threshold(group) = static_cast<T>(found.threshold);
    if (!scale.empty()) scale(group) = static_cast<T>(found.scale);
    const index first = group * rows.extent(0);
    for (index r = 0; r < rows.extent(0); ++r)
      for (index c = 0; c < rows.extent(1); ++c) {
        const auto w = static_cast<double>(rows(r, c));
        const bool above = std::abs(detail::clipped(w, options.clip)) > found.threshold;
        out(first + r, c) = static_cast<T>(above ? std::copysign(found.scale, w) : found.threshold * 0);
      }
  });
}

}  // namespace limbeck
