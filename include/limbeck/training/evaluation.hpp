// What a model says of samples, and how good that is.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "limbeck/models/model.hpp"
#include "limbeck/training/metrics.hpp"
#include "limbeck/training/samples.hpp"

namespace limbeck {

/// Called with the samples done so far.
using progress_callback = std::function<void(index)>;

namespace detail {

/// visit(samples, signals, pass) for every batch of an evaluation. Reads logits, keeps nothing.
template <launchable E, class Model, class T, class Visit>
void for_each_batch(const E& on, const Model& model, view<const T, 1> weights, const sample_set& set,
                    const batch_limits& most, const progress_callback& progress, const Visit& visit) {
  const batch_order order = evaluation_batches(set.lengths, most);
  typename Model::template pass<T> pass;
  sample_batch<T> batch;
  index done = 0;
  for (index b = 0; b < order.size(); ++b) {
    batch.fill(set, order[b]);
    const auto seen = model.forward(on, weights, batch.tokens(), signal::logits, inference, pass);
    visit(order[b], seen, pass);
    done += batch.samples();
    if (progress) progress(done);
  }
}

/// Throws std::runtime_error where one of the numbers, so many a row, is not finite. `samples`: whose row it is; empty:
/// they are in order.
template <class T>
void expects_finite_outputs(std::span<const T> numbers, std::size_t a_row,
                            std::span<const std::ptrdiff_t> samples = {}) {
  for (std::size_t i = 0; i < numbers.size(); ++i)
    if (!std::isfinite(numbers[i]))
      throw std::runtime_error(
          "the model's output for sample " +
          std::to_string(samples.empty() ? i / a_row : static_cast<std::size_t>(samples[i / a_row])) + " is " +
          std::to_string(numbers[i]) + ": its weights are no use");
}

}  // namespace detail

/// The logits of every sample, [samples, classes], in the order of the set. The samples are run sorted by length, in
/// batches of their own that keep nothing; the result depends on them by the rounding of the matrix product alone.
/// Throws std::runtime_error where a logit is not finite.
template <launchable E, class Model, class T>
[[nodiscard]] std::vector<T> logits_of(const E& on, const Model& model, view<const T, 1> weights, const sample_set& set,
                                       const batch_limits& most = {}, const progress_callback& progress = {}) {
  const auto classes = static_cast<std::size_t>(model.head().classes());
  std::vector<T> found(set.tokens.size() * classes);
  detail::for_each_batch(on, model, weights, set, most, progress,
                         [&](std::span<const std::ptrdiff_t> chosen, const signals<const T>& seen, const auto&) {
                           for (std::size_t i = 0; i < chosen.size(); ++i)
                             std::copy_n(&seen.logits(static_cast<index>(i), 0), classes,
                                         found.data() + static_cast<std::size_t>(chosen[i]) * classes);
                         });
  detail::expects_finite_outputs(std::span<const T>(found), classes);
  return found;
}

/// The class of the largest logit; the first of equals.
template <class T>
[[nodiscard]] std::vector<std::int32_t> best_classes(std::span<const T> logits, index classes) {
  std::vector<std::int32_t> best;
  for (auto row = logits.begin(); row != logits.end(); row += classes)
    best.push_back(static_cast<std::int32_t>(std::max_element(row, row + classes) - row));
  return best;
}

/// Softmax of one row of logits, in double.
template <class T>
[[nodiscard]] std::vector<double> probabilities_of(std::span<const T> row) {
  const auto top = static_cast<double>(*std::max_element(row.begin(), row.end()));
  std::vector<double> p;
  double sum = 0;
  for (const T z : row) sum += p.emplace_back(std::exp(static_cast<double>(z) - top));
  for (double& x : p) x /= sum;
  return p;
}

/// Expected calibration error: the mean over samples of |accuracy - confidence| of the sample's bin of confidence, 15
/// bins (Guo et al. 2017, arXiv:1706.04599, equation 3).
template <class T>
[[nodiscard]] double calibration_error(std::span<const T> logits, index classes, label_span labels) {
  struct bin {
    double right = 0, confidence = 0;
  };
  std::vector<bin> bins(15);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto p =
        probabilities_of(logits.subspan(i * static_cast<std::size_t>(classes), static_cast<std::size_t>(classes)));
    const auto top = std::max_element(p.begin(), p.end());
    bin& b = bins[std::min<std::size_t>(static_cast<std::size_t>(*top * 15), 14)];
    b.right += top - p.begin() == labels[i] ? 1 : 0;
    b.confidence += *top;
  }
  double error = 0;
  for (const bin& b : bins) error += std::abs(b.right - b.confidence);
  return detail::ratio(error, static_cast<double>(labels.size()));
}

/// A metric's name and value; nothing where it is undefined.
using metric_values = std::vector<std::pair<std::string, std::optional<double>>>;

/// The metrics that the task names, from logits [samples, classes].
template <class T>
[[nodiscard]] metric_values metrics_of(const sample_set& set, std::span<const T> logits, index classes) {
  metric_values out;
  const std::vector<double> scores(logits.begin(), logits.end());
  const auto predicted = set.task.regression() ? std::vector<std::int32_t>{} : best_classes(logits, classes);
  for (const std::string& name : set.task.metrics) {
    std::optional<double> value;
    if (name == "accuracy") value = accuracy(set.labels, predicted);
    if (name == "f1") value = f1_of_class(set.labels, predicted);
    if (name == "f1_macro") value = f1_macro(set.labels, predicted);
    if (name == "matthews") value = matthews(set.labels, predicted);
    if (name == "pearson") value = pearson(set.scores, scores);
    if (name == "spearman") value = spearman(set.scores, scores);
    out.emplace_back(name, value);
  }
  return out;
}

/// How often two models name the same class; for regressions, the Pearson correlation of their scores.
template <class T>
[[nodiscard]] std::optional<double> agreement(std::span<const T> a, std::span<const T> b, index classes) {
  if (classes > 1) return accuracy(best_classes(a, classes), best_classes(b, classes));
  return pearson(std::vector<double>(a.begin(), a.end()), std::vector<double>(b.begin(), b.end()));
}

}  // namespace limbeck
