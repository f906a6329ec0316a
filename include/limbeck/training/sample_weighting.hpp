// How much a sample counts in a term, by what the teacher makes of it or by what a step on it would do.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/number.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/reweighted.hpp"
#include "limbeck/losses/sample_weights.hpp"
#include "limbeck/training/samples.hpp"

namespace limbeck {

/// A rule that weighs the samples of a training set.
struct sample_weighting {
  enum class rule {
    all,         ///< 1 for each
    confident,   ///< 1 where the teacher's best class has at least `number` of the probability, else 0
    correct,     ///< the same, and it must be the label
    adakd,       ///< AdaKD's weight of the teacher's word; `number`: its steepness
    adakd_rest,  ///< 1 less that, for the label's
    rw_kd,       ///< the share that a sample_sharing decides when the batch comes
    rw_kd_rest,  ///< 1 less that, for the label's
  };
  rule by = rule::all;
  double number = 0;

  /// Whether the weights follow from the teacher's logits of the whole set, before the first batch.
  [[nodiscard]] bool weighs() const { return by != rule::all && !shared(); }
  /// Whether they are asked for batch by batch.
  [[nodiscard]] bool shared() const { return by == rule::rw_kd || by == rule::rw_kd_rest; }
};

/// `all`, `confident:0.6`, `correct:0.6`, `adakd:1`, `adakd_rest:1`, `rw_kd`, `rw_kd_rest`. Throws contract_error for
/// anything else.
[[nodiscard]] inline sample_weighting parse_sample_weighting(std::string_view text) {
  using enum sample_weighting::rule;
  if (text == "all") return {};
  if (text == "rw_kd" || text == "rw_kd_rest") return {text == "rw_kd" ? rw_kd : rw_kd_rest, 0};
  const std::string_view name = text.substr(0, text.find(':')),
                         digits = text.substr(std::min(name.size() + 1, text.size()));
  const auto by = name == "confident"    ? confident
                  : name == "correct"    ? correct
                  : name == "adakd"      ? adakd
                  : name == "adakd_rest" ? adakd_rest
                                         : all;
  const auto number = number_in<double>(digits);
  const bool share = by == confident || by == correct;
  expects(by != all && number && *number >= 0 && (!share || *number <= 1), [&] {
    return message("samples=", text,
                   ", expected all, confident:LEAST or correct:LEAST (a probability), adakd:STEEPNESS or "
                   "adakd_rest:STEEPNESS (0 or more), rw_kd or rw_kd_rest");
  });
  return {by, *number};
}

namespace detail {

/// 1 where the teacher may speak, else 0: confident_teacher's word on every sample. Rows of weight 0 may.
template <class T>
[[nodiscard]] std::vector<T> confident_samples(const confident_teacher& policy, const signals<const T>& teacher,
                                               const targets<T>& given) {
  std::vector<T> weights(static_cast<std::size_t>(teacher.logits.extent(0)));
  policy(sample_losses<T, T, T>{{}, teacher, teacher, given}, view<T, 2>(weights.data(), 1, weights.size()));
  return weights;
}

/// AdaKD's weight of each labelled sample, the threshold being the mean of the teacher's losses on them; 1 for others.
template <launchable E, class T>
[[nodiscard]] std::vector<T> adakd_samples(const E& on, double steepness, const signals<const T>& teacher,
                                           const targets<T>& given) {
  std::vector<T> losses(static_cast<std::size_t>(teacher.logits.extent(0))), of_labelled, weights(losses.size(), T(1));
  cross_entropy{.over = divisor::none}(on, teacher, teacher, given,
                                       sink<T, cpu>{.value = view<T, 1>(losses.data(), losses.size())});
  for (std::size_t i = 0; i < losses.size(); ++i)
    if (given.labels(static_cast<index>(i)) != no_label) of_labelled.push_back(losses[i]);
  std::vector<T> shares(of_labelled.size());
  if (!shares.empty())
    adakd_weights(view<const T, 1>(of_labelled.data(), of_labelled.size()), steepness,
                  view<T, 1>(shares.data(), shares.size()));
  for (std::size_t i = 0, next = 0; i < losses.size(); ++i)
    if (given.labels(static_cast<index>(i)) != no_label) weights[i] = shares[next++];
  return weights;
}

}  // namespace detail

/// The weight of every sample of `set` by the teacher's logits of them all, [samples, classes]. Where only the teacher
/// knows a sample, it is judged by the teacher's confidence alone, and AdaKD gives its word the weight 1. None for
/// `all`.
template <launchable E, class T>
[[nodiscard]] std::vector<T> weights_of_samples(const E& on, const sample_weighting& weighting, view<const T, 2> logits,
                                                const sample_set& set) {
  using enum sample_weighting::rule;
  if (!weighting.weighs()) return {};
  std::vector<T> labelled(static_cast<std::size_t>(set.size()));
  for (index i = 0; i < set.size(); ++i) labelled[static_cast<std::size_t>(i)] = set.labelled(i) ? T(1) : T(0);
  const targets<T> given{.labels = view<const std::int32_t, 1>(set.labels.data(), set.labels.size()),
                         .row_weight = view<const T, 1>(labelled.data(), labelled.size())};
  signals<const T> teacher;
  teacher.logits = logits;
  if (weighting.by == adakd || weighting.by == adakd_rest) {
    std::vector<T> weights = detail::adakd_samples(on, weighting.number, teacher, given);
    for (T& w : weights)
      if (weighting.by == adakd_rest) w = T(1) - w;
    return weights;
  }
  std::vector<T> weights = detail::confident_samples<T>({.least = weighting.number, .correct = false}, teacher, {});
  if (weighting.by == correct) {
    const std::vector<T> right = detail::confident_samples<T>({.least = 0, .correct = true}, teacher, given);
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] *= right[i];
  }
  return weights;
}

}  // namespace limbeck
