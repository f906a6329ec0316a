// The task of telling how a teacher did on each text of another task: what Pea-KD pretrains students on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/number.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/losses/teacher_predictions.hpp"
#include "limbeck/recipes/task.hpp"

namespace limbeck {

/// Reads RIGHT:WRONG, such as 0.95:0.7; `paper`, which are published_thresholds() of the task; or `auto`. Nothing where
/// median_thresholds() are meant: for `auto`, and for `paper` where the task has none. Throws contract_error that shows
/// the text.
[[nodiscard]] inline std::optional<confidence_thresholds> parse_thresholds(std::string_view text,
                                                                           std::string_view task) {
  if (text == "auto") return std::nullopt;
  if (text == "paper") return published_thresholds(task);
  const std::size_t colon = text.find(':');
  const auto share = [](std::string_view part) {
    const auto number = number_in<double>(part);
    return number && *number >= 0 && *number <= 1 ? number : std::nullopt;
  };
  const auto right = share(text.substr(0, colon)),
             wrong = share(colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1));
  expects(right && wrong, [&] {
    return message("thresholds: \"", text, "\", expected paper, auto, or two numbers from 0 to 1 as in 0.95:0.7");
  });
  return confidence_thresholds{.correct = *right, .wrong = *wrong};
}

/// The task whose classes are those of teacher_prediction, judged by accuracy.
[[nodiscard]] inline task_description teacher_prediction_task(task_description of) {
  expects(!of.regression(),
          [&] { return message("task ", of.name, " is a regression: a teacher is right or wrong of classes alone"); });
  of.labels = {"confidently_correct", "unconfidently_correct", "confidently_wrong", "unconfidently_wrong"};
  of.label_names = of.labels;
  of.metrics = {"accuracy"};
  return of;
}

namespace detail {

[[nodiscard]] inline std::vector<std::int32_t> labels_of(const dataset& set) {
  std::vector<std::int32_t> labels;
  for (const example& e : set.examples) labels.push_back(e.label);
  return labels;
}
[[nodiscard]] inline view<const float, 2> rows_of_logits(const std::vector<float>& logits, const dataset& set) {
  const std::size_t rows = set.examples.size(), classes = set.task.labels.size();
  expects(logits.size() == rows * classes, [&] {
    return message("a teacher's predictions: ", logits.size(), " logits for ", rows, " examples of ", classes,
                   " classes");
  });
  return view<const float, 2>(logits.data(), rows, classes);
}

}  // namespace detail

/// median_thresholds() of a data set.
[[nodiscard]] inline confidence_thresholds median_thresholds_of(const dataset& set, const std::vector<float>& logits) {
  const std::vector<std::int32_t> labels = detail::labels_of(set);
  return median_thresholds(detail::rows_of_logits(logits, set),
                           view<const std::int32_t, 1>(labels.data(), labels.size()));
}

/// The same texts with ptp_labels() for labels. logits: [examples, classes] of the teacher, in the order of the task's
/// labels. Throws contract_error as ptp_labels() and teacher_prediction_task() do.
[[nodiscard]] inline dataset with_teacher_predictions(dataset set, const std::vector<float>& logits,
                                                      const confidence_thresholds& above) {
  const std::vector<std::int32_t> labels = detail::labels_of(set);
  std::vector<std::int32_t> predictions(labels.size());
  ptp_labels(detail::rows_of_logits(logits, set), view<const std::int32_t, 1>(labels.data(), labels.size()), above,
             view<std::int32_t, 1>(predictions.data(), predictions.size()));
  for (std::size_t i = 0; i < predictions.size(); ++i) set.examples[i].label = predictions[i];
  set.task = teacher_prediction_task(std::move(set.task));
  return set;
}

/// How many examples have each of the four labels.
[[nodiscard]] inline std::array<index, 4> count_teacher_predictions(const dataset& set) {
  std::array<index, 4> counts{};
  for (const example& e : set.examples) ++counts[static_cast<std::size_t>(e.label)];
  return counts;
}

}  // namespace limbeck
