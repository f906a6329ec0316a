// Labels that say how a teacher did on a sample: what a student can be taught before anything else.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "limbeck/losses/teacher_logits.hpp"

namespace limbeck {

/// How a teacher did on a sample, by class number of the labels.
enum class teacher_prediction : std::int32_t {
  confidently_correct,
  unconfidently_correct,
  confidently_wrong,
  unconfidently_wrong
};

/// Above which probability of its most likely class a teacher is confident, where it is right and where it is wrong.
struct confidence_thresholds {
  double correct = 0.95, wrong = 0.70;
};

/// Those of Pea-KD's released code (the paper has one for both), by the name of a task_description; nothing for other
/// tasks.
[[nodiscard]] constexpr std::optional<confidence_thresholds> published_thresholds(std::string_view task) {
  if (task == "rte") return {{.correct = 0.80, .wrong = 0.60}};
  if (task == "mrpc") return {{.correct = 0.95, .wrong = 0.75}};
  if (task == "sst-2") return {{.correct = 0.98, .wrong = 0.80}};
  if (task == "qnli") return {{.correct = 0.98, .wrong = 0.70}};
  if (task == "cola") return {{.correct = 0.95, .wrong = 0.70}};
  return std::nullopt;
}

namespace detail {

/// What a teacher holds most likely, the first of equal classes.
struct top_class {
  index number;
  double probability;
};
template <class T>
[[nodiscard]] top_class top_class_of(const view<const T, 2>& teacher, index row, std::vector<double>& logs) {
  log_softmax_of(teacher, row, 1, logs);
  const auto top = std::max_element(logs.begin(), logs.end());
  return {top - logs.begin(), std::exp(*top)};
}

/// Throws contract_error unless each row has a label that is a class.
inline void expects_class_labels(const char* what, const view<const std::int32_t, 1>& labels, index rows,
                                 index classes) {
  expects(labels.extent(0) == rows,
          [&] { return message(what, ": ", labels.extent(0), " labels for ", rows, " rows"); });
  for (index r = 0; r < rows; ++r)
    expects(labels(r) >= 0 && labels(r) < classes,
            [&] { return message(what, ": row ", r, " has label ", labels(r), ", there are ", classes, " classes"); });
}

/// The mean of the middle two where their number is even; nothing of none.
[[nodiscard]] inline std::optional<double> median_of(std::vector<double> numbers) {
  if (numbers.empty()) return std::nullopt;
  std::ranges::sort(numbers);
  const std::size_t middle = numbers.size() / 2;
  return numbers.size() % 2 == 1 ? numbers[middle] : (numbers[middle - 1] + numbers[middle]) / 2;
}

}  // namespace detail

/// The median confidence where the teacher is right, and where it is wrong, so that about half of either are above: a
/// choice for any task, not the paper's. Where it is always right, or always wrong, the one median is both. teacher:
/// [rows, classes], logits; labels: [rows]. Throws contract_error where shapes differ, there is no row or a label is no
/// class.
template <class T>
[[nodiscard]] confidence_thresholds median_thresholds(const view<const T, 2>& teacher,
                                                      const view<const std::int32_t, 1>& labels) {
  expects(teacher.extent(0) > 0, "median_thresholds: there are no rows");
  detail::expects_class_labels("median_thresholds", labels, teacher.extent(0), teacher.extent(1));
  std::vector<double> logs, right, wrong;
  for (index r = 0; r < teacher.extent(0); ++r) {
    const detail::top_class top = detail::top_class_of(teacher, r, logs);
    (top.number == labels(r) ? right : wrong).push_back(top.probability);
  }
  const std::optional<double> of_right = detail::median_of(right), of_wrong = detail::median_of(wrong);
  return {.correct = of_right ? *of_right : *of_wrong, .wrong = of_wrong ? *of_wrong : *of_right};
}

/// The labels of Pea-KD's pretraining with the teacher's predictions (Cho and Kang 2020, arXiv:2009.14822,
/// section 3.3): out[row] = teacher_prediction of the row, 0 to 3, for a fresh head of four classes that a
/// cross_entropy trains. teacher: [rows, classes], logits; labels, out: [rows]; confidence: [rows], takes the
/// probability of the most likely class, the first of equal ones; may be empty. Throws contract_error where shapes
/// differ, a threshold is not 0 to 1 or a label is no class.
template <class T>
void ptp_labels(const view<const T, 2>& teacher, const view<const std::int32_t, 1>& labels,
                const confidence_thresholds& above, const view<std::int32_t, 1>& out,
                const view<T, 1>& confidence = {}) {
  const index rows = teacher.extent(0);
  expects(labels.extent(0) == rows && out.extent(0) == rows && (confidence.empty() || confidence.extent(0) == rows),
          [&] {
            return message("ptp_labels: ", labels.extent(0), " labels, ", out.extent(0), " places and ",
                           confidence.extent(0), " confidences for ", rows, " rows");
          });
  for (const double threshold : {above.correct, above.wrong})
    expects(threshold >= 0 && threshold <= 1,
            [&] { return message("ptp_labels: threshold ", threshold, ", must be 0 to 1"); });
  detail::expects_class_labels("ptp_labels", labels, rows, teacher.extent(1));
  std::vector<double> logs;
  for (index r = 0; r < rows; ++r) {
    const auto [number, p] = detail::top_class_of(teacher, r, logs);
    using enum teacher_prediction;
    const teacher_prediction found = number == labels(r)
                                         ? (p > above.correct ? confidently_correct : unconfidently_correct)
                                         : (p > above.wrong ? confidently_wrong : unconfidently_wrong);
    out(r) = static_cast<std::int32_t>(found);
    if (!confidence.empty()) confidence(r) = static_cast<T>(p);
  }
}

}  // namespace limbeck
