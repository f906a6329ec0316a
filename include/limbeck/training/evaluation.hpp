// What a model says of samples, and how good that is.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <concepts>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/backend/host_copy.hpp"
#include "limbeck/models/model.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "limbeck/training/metrics.hpp"
#include "limbeck/training/samples.hpp"

namespace limbeck {

/// Called with the samples done so far.
using progress_callback = std::function<void(index)>;

namespace detail {

/// visit(samples, signals, pass) for every batch of an evaluation. Keeps nothing for a backward pass.
template <launchable E, class Model, class T, class Visit>
void for_each_batch(const E& on, const Model& model, view<const T, 1, backend_of<E>> weights, const sample_set& set,
                    const batch_limits& most, const progress_callback& progress, const Visit& visit,
                    signal_set reads = signal::logits) {
  const batch_order order = evaluation_batches(set.lengths, most);
  typename Model::template pass<T, backend_of<E>> pass(on);
  sample_batch<T> batch;
  index done = 0;
  for (index b = 0; b < order.size(); ++b) {
    batch.fill(set, order[b]);
    const auto seen = model.forward(on, weights, batch.tokens(), reads, inference, pass);
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

/// The logits of every sample, [samples, classes], in the order of the set, on the host. The samples are run sorted by
/// length, in batches of their own that keep nothing; the result depends on them by the rounding of the matrix product
/// alone. A device is waited for once. Throws std::runtime_error where a logit is not finite.
template <launchable E, class Model, class T, backend B>
  requires std::same_as<backend_of<E>, B>
[[nodiscard]] std::vector<T> logits_of(const E& on, const Model& model, view<const T, 1, B> weights,
                                       const sample_set& set, const batch_limits& most = {},
                                       const progress_callback& progress = {}) {
  const index classes = model.head().classes();
  buffer<T, B> sorted(on, set.size() * classes);
  std::vector<std::ptrdiff_t> samples;  // in the order of `sorted`
  detail::for_each_batch(on, model, weights, set, most, progress,
                         [&](std::span<const std::ptrdiff_t> chosen, const auto& seen, const auto&) {
                           T* const here = sorted.data() + static_cast<index>(samples.size()) * classes;
                           ops::copy(on, seen.logits, view<T, 2, B>(here, chosen.size(), classes));
                           samples.insert(samples.end(), chosen.begin(), chosen.end());
                         });
  host_copy<T, B> here(sorted.all());
  const view<const T, 1> seen = here.fetch(on);
  std::vector<T> found(static_cast<std::size_t>(seen.count()));
  for (std::size_t i = 0; i < samples.size(); ++i)
    std::copy_n(seen.data() + static_cast<index>(i) * classes, classes, found.data() + samples[i] * classes);
  detail::expects_finite_outputs(std::span<const T>(found), static_cast<std::size_t>(classes));
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

/// Samples of which a model is about as sure: those of one of 15 equal parts of 0 .. 1.
struct confidence_bin {
  index count = 0;
  double confidence = 0;  ///< the probabilities of the likeliest classes, summed
  double right = 0;       ///< predictions
};

/// How often a model that is so sure is right (Guo et al. 2017, arXiv:1706.04599, section 2).
template <class T>
[[nodiscard]] std::vector<confidence_bin> confidence_bins(std::span<const T> logits, index classes, label_span labels) {
  constexpr std::size_t count = 15;
  std::vector<confidence_bin> bins(count);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto p =
        probabilities_of(logits.subspan(i * static_cast<std::size_t>(classes), static_cast<std::size_t>(classes)));
    const auto top = std::max_element(p.begin(), p.end());
    confidence_bin& b = bins[std::min(static_cast<std::size_t>(*top * count), count - 1)];
    ++b.count;
    b.confidence += *top;
    b.right += top - p.begin() == labels[i] ? 1 : 0;
  }
  return bins;
}

/// Expected calibration error: the mean over samples of |accuracy - confidence| of the sample's bin (Guo et al. 2017,
/// equation 3).
[[nodiscard]] inline double calibration_error(const std::vector<confidence_bin>& bins) {
  double error = 0;
  index samples = 0;
  for (const confidence_bin& b : bins) {
    error += std::abs(b.right - b.confidence);
    samples += b.count;
  }
  return detail::ratio(error, static_cast<double>(samples));
}
template <class T>
[[nodiscard]] double calibration_error(std::span<const T> logits, index classes, label_span labels) {
  return calibration_error(confidence_bins(logits, classes, labels));
}

/// A metric's name and value; nothing where it is undefined.
using metric_values = std::vector<std::pair<std::string, std::optional<double>>>;

/// What a model says of samples beside what the data say: classes, or scores of a regression.
struct judged_samples {
  std::vector<std::int32_t> labels, predicted;
  std::vector<double> scores, given;  ///< the data's; the model's

  [[nodiscard]] std::size_t size() const { return std::max(labels.size(), scores.size()); }
};
/// From logits [samples, classes].
template <class T>
[[nodiscard]] judged_samples judge(const sample_set& set, std::span<const T> logits, index classes) {
  if (set.task.regression()) return {{}, {}, set.scores, {logits.begin(), logits.end()}};
  return {set.labels, best_classes(logits, classes), {}, {}};
}

/// The metric of that name; nothing where it is undefined, or no metric has the name.
[[nodiscard]] inline std::optional<double> metric_of(const std::string& name, const judged_samples& of) {
  if (name == "accuracy") return accuracy(of.labels, of.predicted);
  if (name == "f1") return f1_of_class(of.labels, of.predicted);
  if (name == "f1_macro") return f1_macro(of.labels, of.predicted);
  if (name == "matthews") return matthews(of.labels, of.predicted);
  if (name == "pearson") return pearson(of.scores, of.given);
  if (name == "spearman") return spearman(of.scores, of.given);
  return std::nullopt;
}

/// The metrics that the task names, from logits [samples, classes].
template <class T>
[[nodiscard]] metric_values metrics_of(const sample_set& set, std::span<const T> logits, index classes) {
  metric_values out;
  const judged_samples judged = judge(set, logits, classes);
  for (const std::string& name : set.task.metrics) out.emplace_back(name, metric_of(name, judged));
  return out;
}

/// How often two models name the same class; for regressions, the Pearson correlation of their scores.
template <class T>
[[nodiscard]] std::optional<double> agreement(std::span<const T> a, std::span<const T> b, index classes) {
  if (classes > 1) return accuracy(best_classes(a, classes), best_classes(b, classes));
  return pearson(std::vector<double>(a.begin(), a.end()), std::vector<double>(b.begin(), b.end()));
}

}  // namespace limbeck
