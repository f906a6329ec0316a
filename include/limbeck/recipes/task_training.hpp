// Trains a classifier or regressor on a task, with a teacher or without: what fine-tuning and distilling share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/io/descriptor.hpp"
#include "limbeck/io/run_lock.hpp"
#include "limbeck/recipes/classifier.hpp"
#include "limbeck/recipes/report.hpp"
#include "limbeck/recipes/run_folder.hpp"
#include "limbeck/recipes/run_summary.hpp"
#include "limbeck/recipes/task.hpp"
#include "limbeck/recipes/task_sharing.hpp"
#include "limbeck/recipes/teacher_outputs.hpp"
#include "limbeck/training/learned_parameters.hpp"
#include "limbeck/training/stored_teacher.hpp"
#include "limbeck/training/trainer.hpp"

namespace limbeck {

/// Which state of a run its folder holds in the end: the best on dev, or the last, for runs that train what dev scores
/// do not show; nothing is evaluated then, and learned.safetensors holds what terms learned, for a run that goes on.
enum class kept_state { best, last };

/// What is common to commands that train.
struct task_training_options {
  task_options task;
  training_options training;
  std::filesystem::path output;
  std::filesystem::path transfer;     ///< texts that only the teacher labels; empty: none
  std::filesystem::path store;        ///< what the teacher said of all of them (teacher_store); empty: it is asked
  std::filesystem::path learned;      ///< what terms of an earlier run learned (kept_state::last); empty: none
  std::vector<std::string> losses;    ///< terms; empty: the verb's default
  sharing_options sharing;            ///< of samples, where terms share them
  std::string precision = "float32";  ///< what the executor's products are made of; a resumed run must repeat it
  kept_state keeps = kept_state::best;
  bool brief = false;  ///< leaves out what only the report shows: the teacher on dev, the layers, report.html
  bool resume = false;
};

/// How a training on a task ended, for people and programs.
struct task_training_report {
  run_end end = run_end::complete;
  bool asked_to_stop = false;  ///< also where that came too late to interrupt it
  index updates = 0, best_epoch = 0;
  index parameters = 0;     ///< of the student
  double seconds = 0;       ///< of the training alone
  metric_values metrics{};  ///< of the best state on dev
  std::optional<double> teacher_agreement{};
};

namespace detail {

/// The settings that a resumed run must repeat.
[[nodiscard]] inline json settings_of(const task_training_options& o, const std::string& verb,
                                      const std::string& student, const text_classifier* teacher,
                                      const std::string& store, bool shares, const sample_set& train,
                                      const std::vector<sample_set>& dev) {
  json all{{"verb", verb},
           {"student", student},
           {"teacher", teacher != nullptr ? teacher->folder.string() : ""},
           {"task", o.task.task},
           {"max-length", o.task.max_length},
           {"precision", o.precision},
           {"loss", o.losses}};
  all.update(settings_of(o.training));
  if (o.task.limit != no_limit) all["limit"] = o.task.limit;
  if (o.task.noise.share > 0) all["label-noise"] = o.task.noise.share;
  if (!o.transfer.empty()) all["transfer"] = o.transfer.filename().string();
  if (!store.empty()) all["store"] = store;
  if (o.keeps == kept_state::last) all["keeps"] = "last";
  if (shares) all["sharing"] = settings_of(o.sharing);
  std::uint64_t samples = fingerprint_of(train);
  for (const sample_set& set : dev) samples = fingerprint_of(set, samples);
  all["fingerprint of the samples"] = samples;
  return all;
}

/// The task's training samples, and behind them the texts that only the teacher labels.
[[nodiscard]] inline sample_set training_samples(const task_texts& texts, const std::filesystem::path& transfer,
                                                 index max_length, const word_piece& pieces, console& out) {
  sample_set train = make_samples(texts.train, pieces, max_length);
  const index labelled = train.size();
  for (const example& e : texts.unlabelled) train.add(e, pieces, max_length, false);
  if (!transfer.empty())
    for (const example& e : read_texts(transfer)) train.add(e, pieces, max_length, false);
  std::string line = std::to_string(labelled) + " training samples";
  if (train.size() > labelled) line += " and " + std::to_string(train.size() - labelled) + " without a label";
  out.say(line + ", " + std::to_string(texts.dev.front().examples.size()) + " for evaluation");
  return train;
}

/// What terms are told of a student with this config and its teacher.
[[nodiscard]] inline term_context context_of(const model_config& student, const text_classifier* teacher,
                                             std::optional<double> top_k_temperature = {}) {
  term_context context{.student = student.sizes,
                       .teacher = {},
                       .classes = student.classes,
                       .regression = student.regression,
                       .top_k_temperature = top_k_temperature};
  if (teacher != nullptr) context.teacher = teacher->config.sizes;
  return context;
}

/// Looks at what the run left in its output folder, and tells the report of it.
template <launchable E>
[[nodiscard]] run_summary summarise_output(const E& on, const task_training_options& options,
                                           const text_classifier* teacher, const sample_set& dev,
                                           const pairs_of_terms& pairs, console& out, task_training_report& report) {
  run_summary found = summarise_run(on, load_text_classifier(options.output), options.brief ? nullptr : teacher, dev,
                                    pairs, options.keeps == kept_state::best, out);
  report.metrics = found.metrics;
  report.teacher_agreement = found.teacher_agreement;
  return found;
}

/// Where a run's teacher says what it says: nowhere, asked at once for all samples, or kept in a file.
class task_teacher {
 public:
  /// Throws file_error where the store is of another teacher or task.
  task_teacher(const text_classifier* model, const std::filesystem::path& store, const task_description& task)
      : model_(model) {
    expects(store.empty() || model != nullptr, "train_on_task: a store is a teacher's, there is none");
    if (store.empty()) return;
    store_ = std::make_shared<const teacher_store>(open_store(store, *model, task));
    text_ = store.filename().string() + " " + store_->checksum();
  }

  [[nodiscard]] const text_classifier* model() const { return model_; }
  /// What a resumed run's store must repeat; empty: none.
  [[nodiscard]] const std::string& store_text() const { return text_; }
  /// Where its likeliest classes alone are kept, the temperature that they are kept for.
  [[nodiscard]] std::optional<double> top_k_temperature() const {
    return store_ && store_->is_top_k() ? std::optional(store_->temperature()) : std::nullopt;
  }
  /// Throws file_error where the store has nothing for `train`.
  void expects_outputs_of(const sample_set& train) {
    if (store_ && read_by_batch())
      (void)store_->rows_of(train);
    else if (store_)
      expects_logits_of(*store_, train);
  }
  /// Gives a step the outputs that its terms read of `part`: of the training samples `all`, or some of them. What is
  /// not kept is computed once, for all, so that no bit depends on the part.
  template <launchable E>
  void teach(const E& on, const sample_set& all, const sample_set& part, distiller<bert_classifier, E, float>& step,
             console& out) {
    if (store_ && read_by_batch()) step.use_kept(&kept_.emplace_back(store_, part, model_->config.sizes.heads));
    if (model_ == nullptr || !step.reads_teacher_logits() || top_k_temperature()) return;
    const index classes = model_->config.classes;
    if (logits_.empty())
      logits_ = store_ && keeps_logits(*store_) ? stored_logits(on, *store_, *model_, all, out)
                                                : teacher_logits(on, *model_, all, out);
    const float* here = logits_.data();
    if (&part != &all) {
      std::vector<float>& some = parts_.emplace_back();
      for (index i = 0; i < part.size(); ++i)
        some.insert(some.end(), here + part.number(i) * classes, here + (part.number(i) + 1) * classes);
      here = some.data();
    }
    step.use_logits(view<const float, 2>(here, part.size(), classes));
  }

 private:
  /// Whether the store has more than the logits of every class, which a step is given at once.
  [[nodiscard]] bool read_by_batch() const {
    return store_->is_top_k() || has(store_->holds(), signal::embeddings | signal::of_layers);
  }

  const text_classifier* model_;
  std::shared_ptr<const teacher_store> store_;
  std::deque<stored_teacher> kept_;  // of training samples, or some; steps look at them
  std::string text_;
  std::vector<float> logits_;              // of all training samples
  std::vector<std::vector<float>> parts_;  // of some
};

/// The report of a run that an earlier process brought to its end; nothing where there is none. Throws where that run
/// had other settings.
template <launchable E>
[[nodiscard]] std::optional<task_training_report> report_of_end(const E& on, const task_training_options& options,
                                                                const json& settings, const text_classifier* teacher,
                                                                const sample_set& dev, const pairs_of_terms& pairs,
                                                                task_training_report report, console& out) {
  const auto end = options.resume ? end_of_run(options.output) : std::nullopt;
  if (!end) return std::nullopt;
  expects_settings_of_run(options.output, settings);
  out.say("the run in " + options.output.string() + " is complete");
  report.updates = end->required<std::int64_t>("step");
  report.best_epoch = end->required<std::int64_t>("best_epoch");
  (void)summarise_output(on, options, teacher, dev, pairs, out, report);
  if (!options.brief) report_run(options.output);  // it may have been killed before it did so itself
  return report;
}

}  // namespace detail

/// Trains `student` on the task; its own weights stay. The best state on dev, or the last where options say so, is
/// written to the output folder, the last one to its folder `last`. A run that was stopped leaves
/// checkpoint.safetensors, which goes when it is complete; one that is complete is not run again by `resume`. Nothing
/// is written before all that was asked for is known to make sense. `held`: the output folder's lock, where the caller
/// has claimed it.
template <launchable E>
task_training_report train_on_task(const E& on, const text_classifier& student, const text_classifier* teacher,
                                   const task_texts& texts, const task_training_options& options,
                                   const std::string& verb, const std::string& student_text, console& out,
                                   const run_lock* held = nullptr) {
  options.training.check();
  detail::task_teacher taught(teacher, options.store, texts.train.task);
  learned_parameters learner(student.model.parameters(), student.parameters(), options.losses,
                             detail::context_of(student.config, teacher, taught.top_k_temperature()),
                             options.training.seed);
  if (!options.learned.empty()) learner.start_from(options.learned);
  const sample_set train =
      detail::training_samples(texts, options.transfer, options.task.max_length, student.pieces, out);
  const std::vector<sample_set> dev = make_sample_sets(texts.dev, student.pieces, options.task.max_length);
  taught.expects_outputs_of(train);
  const json settings = detail::settings_of(options, verb, student_text, teacher, taught.store_text(),
                                            learner.shares_samples(), train, dev);
  expects(!learner.shares_samples() || options.sharing.rule == sharing_rule::naive || options.precision == "float32",
          [&] {
            return message("samples=rw_kd takes differences of losses that precision ", options.precision,
                           " would not show, expected float32");
          });
  detail::task_sharing<E> shared(options.sharing, options.training, learner.shares_samples(), train, out);
  std::optional<run_lock> lock;
  if (held == nullptr) lock.emplace(detail::claim_folder(options.output, options.resume));
  task_training_report report{.parameters = student.model.parameters().size()};
  if (auto ended =
          detail::report_of_end(on, options, settings, teacher, dev.front(), learner.layer_pairs(), report, out))
    return *ended;

  taught_by<bert_classifier, float> from;
  if (teacher != nullptr) from = {&teacher->model, teacher->parameters(), {}};
  distiller<bert_classifier, E, float> step(student.model, from, learner.template terms<E>());
  const sample_set& trained_on = shared.trained_on(train);
  taught.teach(on, train, trained_on, step, out);
  shared.join(student.model, from, trained_on.size(), step,
              [&](const sample_set& part, auto& theirs) { taught.teach(on, train, part, theirs, out); });
  const std::string vocabulary = student.vocabulary_text();
  const auto save_to = [&](const std::filesystem::path& folder) {
    save_model(folder, student.config, learner.table(), read_only(learner.weights()), vocabulary);
  };
  trainer<E> loop(
      on, student.model, learner.table(), learner.weights(), learner.gradients(), step, options.training,
      options.output, settings,
      [&] {
        save_to(options.output);
        if (options.keeps == kept_state::last) learner.save_learned(options.output / "learned.safetensors");
      },
      out);
  evaluator scores;
  if (options.keeps == kept_state::best)
    scores = [&] { return dev_scores(on, student.model, read_only(learner.weights()), dev); };
  const run_result result = loop.run(trained_on, scores, options.resume);
  report.end = result.end;
  report.asked_to_stop = result.asked_to_stop;
  report.updates = result.at.updates;
  report.best_epoch = result.at.best_epoch;
  report.seconds = result.seconds;
  if (result.end == run_end::interrupted) {
    out.say("stopped at update " + std::to_string(result.at.updates) + "; go on with --resume");
    return report;
  }
  save_to(options.output / "last");
  const run_summary ends =
      detail::summarise_output(on, options, teacher, dev.front(), learner.layer_pairs(), out, report);
  loop.note_at_end(ends.record);
  detail::write_speed(options.output, ends.speed, result.seconds, on.threads);
  loop.finish();
  if (!options.brief) report_run(options.output);
  return report;
}

}  // namespace limbeck
