// How good a state of a run is: what a training loop asks between epochs.
#pragma once

#include <cstddef>
#include <cstdio>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "limbeck/io/json.hpp"
#include "limbeck/training/evaluation.hpp"
#include "limbeck/training/intervals.hpp"

namespace limbeck {

/// What an evaluation found.
struct evaluation_result {
  json entry = json::object();    ///< for run.jsonl
  std::string line;               ///< for people, a blank in front
  std::optional<double> score{};  ///< larger is better; nothing where it is undefined
};
using evaluator = std::function<evaluation_result()>;

/// What keys of an evaluation end with, for dev set `d` of `sets`.
[[nodiscard]] inline std::string ending_of_dev_set(std::size_t d, std::size_t sets) {
  return sets > 1 ? "_" + std::to_string(d + 1) : "";
}

/// The task's metrics on every dev set, with their intervals; the score is the first set's first. logits(set): what the
/// model says of its samples, [samples, classes].
template <class Logits>
[[nodiscard]] evaluation_result dev_scores(const std::vector<sample_set>& dev, index classes, const Logits& logits) {
  evaluation_result found;
  for (std::size_t d = 0; d < dev.size(); ++d) {
    const auto said = logits(dev[d]);
    const judged_samples judged = judge(dev[d], std::span(said), classes);
    const std::string number = ending_of_dev_set(d, dev.size());
    for (const auto& [name, interval] : intervals_of(dev[d].task.metrics, judged)) {
      const std::optional<double> value = metric_of(name, judged);
      char text[32] = "undefined";
      if (value) std::snprintf(text, sizeof text, "%.4f", *value);
      found.entry["dev" + number][name] = value ? json(*value) : json();
      found.entry["interval" + number][name] = interval ? json{interval->low, interval->high} : json();
      found.line += " " + name + " " + text;
      if (d == 0 && name == dev[d].task.metrics.front()) found.score = value;
    }
  }
  return found;
}
template <launchable E, class Model, class T>
[[nodiscard]] evaluation_result dev_scores(const E& on, const Model& model, view<const T, 1> weights,
                                           const std::vector<sample_set>& dev) {
  return dev_scores(dev, model.head().classes(),
                    [&](const sample_set& set) { return logits_of(on, model, weights, set); });
}

}  // namespace limbeck
