// Scores a model on a task's dev sets.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/recipes/classifier.hpp"
#include "limbeck/recipes/task.hpp"
#include "limbeck/training/console.hpp"
#include "limbeck/training/evaluation.hpp"

namespace limbeck {

struct evaluate_options {
  std::filesystem::path model, teacher;  ///< teacher: empty: none
  task_options task;
  batch_limits batches;  ///< by which results differ in rounding alone
};

/// What a model is worth on one dev set.
struct evaluation_report {
  std::string file;
  index samples = 0;
  metric_values metrics;
  std::optional<double> calibration_error;  ///< of classes
  std::optional<double> teacher_agreement;
  double samples_per_second = 0;  ///< of the forward passes alone
  index parameters = 0;
};

/// Runs the model, and the teacher if one is named, over every dev set of the task.
template <launchable E>
[[nodiscard]] std::vector<evaluation_report> evaluate(const E& on, const evaluate_options& options, console& out) {
  const text_classifier model = load_text_classifier(options.model);
  std::optional<text_classifier> teacher;
  if (!options.teacher.empty()) teacher.emplace(load_text_classifier(options.teacher));
  std::vector<evaluation_report> reports;
  for (const dataset& set : read_dev_sets(options.task)) {
    const std::vector<index> order = classes_by_label(model.config, set.task);
    const sample_set samples = make_samples(set, model.pieces, options.task.max_length);
    const auto started = std::chrono::steady_clock::now();
    const std::vector<float> logits =
        in_label_order(logits_of(on, model.model, model.parameters(), samples, options.batches,
                                 [&](index done) { out.progress("evaluate", done, samples.size()); }),
                       order);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    out.clear();
    evaluation_report report{.file = set.file,
                             .samples = samples.size(),
                             .metrics = metrics_of<float>(samples, logits, model.config.classes),
                             .calibration_error = {},
                             .teacher_agreement = {},
                             .samples_per_second = static_cast<double>(samples.size()) / took.count(),
                             .parameters = model.model.parameters().size()};
    if (!model.config.regression)
      report.calibration_error = calibration_error<float>(logits, model.config.classes, samples.labels);
    if (teacher) {
      const sample_set theirs = make_samples(set, teacher->pieces, options.task.max_length);
      report.teacher_agreement =
          agreement<float>(logits,
                           in_label_order(logits_of(on, teacher->model, teacher->parameters(), theirs, options.batches),
                                          classes_by_label(teacher->config, set.task)),
                           model.config.classes);
    }
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace limbeck
