// Trains a classifier or regressor on a task, with a teacher or without: what fine-tuning and distilling share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "limbeck/io/run_lock.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/recipes/classifier.hpp"
#include "limbeck/recipes/task.hpp"
#include "limbeck/training/trainer.hpp"

namespace limbeck {

/// What is common to commands that train.
struct task_training_options {
  task_options task;
  training_options training;
  std::filesystem::path output;
  std::filesystem::path transfer;  ///< texts that only the teacher labels; empty: none
  std::vector<std::string> losses; ///< terms; empty: the verb's default
  bool resume = false;
};

/// How a training on a task ended, for people and programs.
struct task_training_report {
  run_end end = run_end::complete;
  index updates = 0, best_epoch = 0;
  index parameters = 0;                  ///< of the student
  double seconds = 0;                    ///< of the training alone
  metric_values metrics;                 ///< of the best state on dev
  std::optional<double> teacher_agreement;
};

namespace detail {

/// The settings that a resumed run must repeat.
[[nodiscard]] inline json settings_of(const task_training_options& o, const std::string& verb,
                                      const std::string& student, const std::string& teacher,
                                      const sample_set& train, const std::vector<sample_set>& dev) {
  const training_options& t = o.training;
  json all{{"verb", verb}, {"student", student}, {"teacher", teacher}, {"task", o.task.task},
           {"max-length", o.task.max_length}, {"epochs", t.epochs}, {"batch-size", t.batch_size},
           {"accumulate", t.accumulate}, {"learning-rate", t.learning_rate}, {"warmup", t.warmup},
           {"weight-decay", t.weight_decay}, {"clip", t.clip}, {"dropout", t.dropout},
           {"early-stop", t.early_stop}, {"seed", t.seed}, {"loss", o.losses}};
  if (o.task.limit != no_limit) all["limit"] = o.task.limit;
  if (!o.transfer.empty()) all["transfer"] = o.transfer.filename().string();
  std::uint64_t samples = fingerprint_of(train);
  for (const sample_set& set : dev) samples = fingerprint_of(set, samples);
  all["fingerprint of the samples"] = samples;
  return all;
}

/// Throws unless the folder may be written to by this run: a stopped run is continued, never overwritten unasked.
inline void expects_free_folder(const std::filesystem::path& output, bool resume) {
  if (!resume && std::filesystem::exists(output / "checkpoint.safetensors"))
    throw file_error(output.string(), "", "holds a run that was stopped; go on with --resume, or remove the folder");
}

/// Removes what killed processes left half-written in a folder that this run alone writes to.
inline void remove_partial_files(const std::filesystem::path& folder) {
  std::error_code none;
  std::vector<std::filesystem::path> left;
  for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".") && name.ends_with(".partial")) left.push_back(entry.path());
  }
  for (const auto& file : left) std::filesystem::remove(file, none);
}

}  // namespace detail

/// Trains `student`, whose weights change, on the task. The best state on dev is written to the output folder, the last
/// one to its folder `last`. A run that was stopped leaves checkpoint.safetensors, which goes when it is complete.
template <launchable E>
task_training_report train_on_task(const E& on, text_classifier& student, const text_classifier* teacher,
                                   const task_texts& texts, task_training_options options, const std::string& verb,
                                   const std::string& student_text, console& out) {
  options.training.check();

  // What is learned: the student, and behind it whatever the terms need.
  parameter_table table = student.model.parameters();
  std::vector<term_spec> specs;
  for (const std::string& text : options.losses) specs.emplace_back(text);
  const term_builder builder(std::move(specs),
                             {.student = student.config.sizes,
                              .teacher = teacher != nullptr ? std::optional(teacher->config.sizes) : std::nullopt,
                              .classes = student.config.classes,
                              .regression = student.config.regression},
                             table);
  buffer<float> weights(table.size()), gradients(table.size());
  initialise(table, options.training.seed + 1, weights.all());
  std::copy_n(student.weights.data(), student.model.parameters().size(), weights.data());

  sample_set train = make_samples(texts.train, student.pieces, options.task.max_length);
  const std::vector<sample_set> dev = make_sample_sets(texts.dev, student.pieces, options.task.max_length);
  if (!options.transfer.empty())
    for (const example& e : read_texts(options.transfer)) train.add(e, student.pieces, options.task.max_length, false);
  out.say(std::to_string(texts.train.examples.size()) + " training samples" +
          (train.size() > static_cast<index>(texts.train.examples.size())
               ? " and " + std::to_string(train.size() - static_cast<index>(texts.train.examples.size())) +
                     " without a label"
               : "") +
          ", " + std::to_string(dev.front().size()) + " for evaluation; " +
          std::to_string(student.model.parameters().size()) + " parameters");
  auto terms = builder.template build<E, float>(read_only(weights.all()), gradients.all());

  // Nothing is written before all that was asked for is known to make sense.
  detail::make_folder(options.output);
  const run_lock lock(options.output);
  detail::expects_free_folder(options.output, options.resume);
  detail::remove_partial_files(options.output);
  detail::remove_partial_files(options.output / "last");

  taught_by<bert_classifier, float> taught;
  if (teacher != nullptr) taught = {&teacher->model, teacher->parameters(), {}};
  distiller<bert_classifier, E, float> step(student.model, taught, std::move(terms));
  std::vector<float> teacher_logits;
  if (teacher != nullptr && step.reads_teacher_logits()) {
    teacher_logits = in_label_order(
        logits_of(on, teacher->model, teacher->parameters(), train, 64,
                  [&](index done) { out.progress("teacher", done, train.size()); }),
        classes_by_label(teacher->config, train.task));
    out.clear();
    step.use_logits(view<const float, 2>(teacher_logits.data(), train.size(), student.config.classes));
  }

  const std::string vocabulary = student.vocabulary_text();
  const auto save_to = [&](const std::filesystem::path& folder) {
    save_model(folder, student.config, table, read_only(weights.all()), vocabulary);
  };
  trainer<E> loop(on, student.model, table, weights.all(), gradients.all(), step, options.training, options.output,
                  detail::settings_of(options, verb, student_text, teacher != nullptr ? teacher->folder.string() : "", train, dev),
                  [&] { save_to(options.output); }, out);
  const run_result result = loop.run(train, dev, options.resume);

  task_training_report report{.end = result.end, .updates = result.at.updates, .best_epoch = result.at.best_epoch,
                              .parameters = student.model.parameters().size(), .seconds = result.seconds,
                              .metrics = {}, .teacher_agreement = {}};
  if (result.end == run_end::interrupted) {
    out.say("stopped at update " + std::to_string(result.at.updates) + "; go on with --resume");
    return report;
  }
  save_to(options.output / "last");
  std::filesystem::remove(loop.checkpoint_file());
  const auto best = load_model<float>(options.output);
  const std::vector<float> logits = logits_of(on, best.model, read_only(best.weights.all()), dev.front(), 64);
  report.metrics = metrics_of<float>(dev.front(), logits, student.config.classes);
  if (teacher != nullptr) {
    const auto theirs = in_label_order(logits_of(on, teacher->model, teacher->parameters(), dev.front(), 64),
                                       classes_by_label(teacher->config, train.task));
    report.teacher_agreement = agreement<float>(logits, theirs, student.config.classes);
  }
  return report;
}

}  // namespace limbeck
