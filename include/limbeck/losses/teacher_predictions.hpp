// Labels that say how a teacher did on a sample: what a student can be taught before anything else.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
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
/// The released code has 0.80 and 0.60 for RTE, 0.95 and 0.75 for MRPC, 0.98 and 0.80 for SST-2, 0.98 and 0.70 for
/// QNLI, 0.95 and 0.70 for CoLA; the paper has one for both.
struct confidence_thresholds {
  double correct = 0.95, wrong = 0.70;
};

/// The labels of Pea-KD's pretraining with the teacher's predictions (Cho and Kang 2020, arXiv:2009.14822,
/// section 3.3): out[row] = teacher_prediction of the row, 0 to 3, for a fresh head of four classes that a
/// cross_entropy trains. teacher: [rows, classes], logits; labels, out: [rows]; confidence: [rows], takes the
/// probability of the most likely class, the first of equal ones; may be empty. Throws contract_error where shapes
/// differ, a threshold is not 0 to 1 or a label is no class.
template <class T>
void ptp_labels(const view<const T, 2>& teacher, const view<const std::int32_t, 1>& labels,
                const confidence_thresholds& above, const view<std::int32_t, 1>& out,
                const view<T, 1>& confidence = {}) {
  const index rows = teacher.extent(0), classes = teacher.extent(1);
  expects(labels.extent(0) == rows && out.extent(0) == rows && (confidence.empty() || confidence.extent(0) == rows),
          [&] {
            return message("ptp_labels: ", labels.extent(0), " labels, ", out.extent(0), " places and ",
                           confidence.extent(0), " confidences for ", rows, " rows");
          });
  for (const double threshold : {above.correct, above.wrong})
    expects(threshold >= 0 && threshold <= 1,
            [&] { return message("ptp_labels: threshold ", threshold, ", must be 0 to 1"); });
  for (index r = 0; r < rows; ++r)
    expects(labels(r) >= 0 && labels(r) < classes, [&] {
      return message("ptp_labels: row ", r, " has label ", labels(r), ", there are ", classes, " classes");
    });
  std::vector<double> logs;
  for (index r = 0; r < rows; ++r) {
    detail::log_softmax_of(teacher, r, 1, logs);
    const auto top = std::max_element(logs.begin(), logs.end());
    const double p = std::exp(*top);
    using enum teacher_prediction;
    const teacher_prediction found = top - logs.begin() == labels(r)
                                         ? (p > above.correct ? confidently_correct : unconfidently_correct)
                                         : (p > above.wrong ? confidently_wrong : unconfidently_wrong);
    out(r) = static_cast<std::int32_t>(found);
    if (!confidence.empty()) confidence(r) = static_cast<T>(p);
  }
}

}  // namespace limbeck
