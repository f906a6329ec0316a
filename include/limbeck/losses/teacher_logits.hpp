// What is made of teachers' logits before a student sees them: several teachers as one, and labels that correct one.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {
namespace detail {

/// log softmax of row `row` divided by the temperature, in double.
template <class T>
void log_softmax_of(const view<const T, 2>& logits, index row, double temperature, std::vector<double>& out) {
  const index classes = logits.extent(1);
  out.resize(static_cast<std::size_t>(classes));
  double top = -std::numeric_limits<double>::infinity(), sum = 0;
  for (index c = 0; c < classes; ++c) top = std::max(top, static_cast<double>(logits(row, c)));
  for (index c = 0; c < classes; ++c) {
    out[static_cast<std::size_t>(c)] = (static_cast<double>(logits(row, c)) - top) / temperature;
    sum += std::exp(out[static_cast<std::size_t>(c)]);
  }
  for (double& x : out) x -= std::log(sum);
}

}  // namespace detail

/// The logits of one teacher whose distribution at `temperature` is the mixture of several: out = temperature * log(sum
/// of weights[k] * softmax(teachers[k] / temperature)). A soft_target of that temperature against them is the
/// divergence from the mixture. All [rows, classes]; weights are not negative, and sum to 1 for a distribution. Throws
/// contract_error where numbers or shapes differ, or temperature <= 0.
template <class T>
void mix_teachers(std::span<const view<const T, 2>> teachers, std::span<const double> weights, double temperature,
                  const view<T, 2>& out) {
  expects(!teachers.empty() && teachers.size() == weights.size(),
          [&] { return message("mix_teachers: ", weights.size(), " weights for ", teachers.size(), " teachers"); });
  expects(temperature > 0, [&] { return message("mix_teachers: temperature ", temperature, ", must be positive"); });
  for (const auto& teacher : teachers) expects_same_shape("mix_teachers", "logits", out, teacher);
  std::vector<double> logs, mixture;
  for (index r = 0; r < out.extent(0); ++r) {
    mixture.assign(static_cast<std::size_t>(out.extent(1)), 0);
    for (std::size_t k = 0; k < teachers.size(); ++k) {
      detail::log_softmax_of(teachers[k], r, temperature, logs);
      for (std::size_t c = 0; c < mixture.size(); ++c) mixture[c] += weights[k] * std::exp(logs[c]);
    }
    for (index c = 0; c < out.extent(1); ++c)
      out(r, c) = static_cast<T>(temperature * std::log(mixture[static_cast<std::size_t>(c)]));
  }
}

/// Label revision (Lan et al. 2024, arXiv:2404.03693, section 3): where the teacher's most likely class is not the
/// label, out = log(b * softmax(teacher) + (1 - b) * onehot(label)) with b = eta / (p_max - p_label + 1), so that the
/// label becomes the most likely class for any eta < 1; elsewhere log(softmax(teacher)), b being 1. kept: [rows], takes
/// b; may be empty. Throws contract_error where shapes differ, eta is not above 0 and below 1, or a label is no class.
template <class T>
void revise_teacher(const view<const T, 2>& teacher, const view<const std::int32_t, 1>& labels, double eta,
                    const view<T, 2>& out, const view<T, 1>& kept = {}) {
  expects_same_shape("revise_teacher", "logits", out, teacher);
  expects(labels.extent(0) == out.extent(0) && (kept.empty() || kept.extent(0) == out.extent(0)), [&] {
    return message("revise_teacher: ", labels.extent(0), " labels and ", kept.extent(0), " shares for ", out.extent(0),
                   " rows");
  });
  expects(eta > 0 && eta < 1, [&] { return message("revise_teacher: eta ", eta, ", must be above 0 and below 1"); });
  std::vector<double> p;
  for (index r = 0; r < out.extent(0); ++r) {
    expects(labels(r) >= 0 && labels(r) < out.extent(1), [&] {
      return message("revise_teacher: row ", r, " has label ", labels(r), ", there are ", out.extent(1), " classes");
    });
    detail::log_softmax_of(teacher, r, 1, p);
    for (double& x : p) x = std::exp(x);
    const auto label = static_cast<std::size_t>(labels(r));
    const auto top = static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin());
    const double share = top == label ? 1 : eta / (p[top] - p[label] + 1);
    for (std::size_t c = 0; c < p.size(); ++c)
      out(r, static_cast<index>(c)) = static_cast<T>(std::log(share * p[c] + (c == label ? 1 - share : 0)));
    if (!kept.empty()) kept(r) = static_cast<T>(share);
  }
}

}  // namespace limbeck
