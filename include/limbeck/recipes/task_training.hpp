// Trains a classifier or regressor on a task, with a teacher or without: what fine-tuning and distilling share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/io/run_lock.hpp"
#include "limbeck/recipes/classifier.hpp"
#include "limbeck/recipes/report.hpp"
#include "limbeck/recipes/run_folder.hpp"
#include "limbeck/recipes/run_summary.hpp"
#include "limbeck/recipes/task.hpp"
#include "limbeck/recipes/task_sharing.hpp"
#include "limbeck/recipes/task_teacher.hpp"
#include "limbeck/training/learned_parameters.hpp"
#include "limbeck/training/step_engine.hpp"
#include "limbeck/training/trainer.hpp"
#include "limbeck/training/training_device.hpp"

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
  std::filesystem::path keep_logits;  ///< a new store, for what the teacher says of all of them; empty: none
  std::filesystem::path learned;      ///< what terms of an earlier run learned (kept_state::last); empty: none
  std::vector<std::string> losses;    ///< terms; empty: the verb's default
  sharing_options sharing;            ///< of samples, where terms share them
  std::string precision = "float32";  ///< what products are made of; a resumed run must repeat it
  /// Trains, evaluates and asks the teacher; null: the executor does. What is told of the run's end the executor sees
  /// to in any case. A run may be resumed elsewhere than it was begun.
  const training_device* device = nullptr;
  kept_state keeps = kept_state::best;
  bool brief = false;  ///< leaves out what only the report shows: the teacher on dev, the layers, calibration, speed on
                       ///< dev, report.html
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

/// The file of the store that a run into `output` leaves; empty: none. Throws contract_error where there is no teacher
/// to be asked, file_error where nothing can be written there.
[[nodiscard]] inline std::filesystem::path kept_logits_file(const task_training_options& options,
                                                            const std::filesystem::path& output, bool taught) {
  if (options.keep_logits.empty()) return {};
  expects(taught, "train_on_task: logits to be kept are a teacher's, there is none");
  expects(options.store.empty(), "train_on_task: logits to be kept are the teacher's, not those of a store");
  return store_file_of_run(options.keep_logits, output);
}

/// A run on a task, from what is asked for to what it leaves. Looks at what it is made from.
template <launchable E>
class task_run {
 public:
  /// Writes nothing. Throws where what is asked for makes no sense.
  task_run(const E& on, const text_classifier& student, const text_classifier* teacher, const task_texts& texts,
           const task_training_options& options, const std::string& verb, const std::string& student_text, console& out)
      : on_(on),
        student_(student),
        teacher_(teacher),
        options_(options),
        out_(out),
        keep_logits_(kept_logits_file(options, options.output, teacher != nullptr)),
        taught_(teacher, options.store, keep_logits_, texts.train.task),
        learner_(student.model.parameters(), student.parameters(), options.losses,
                 context_of(student.config, teacher, taught_.top_k_temperature()), options.training.seed),
        train_(training_samples(texts, options.transfer, options.task.max_length, student.pieces, out)),
        dev_(make_sample_sets(texts.dev, student.pieces, options.task.max_length)),
        shared_(options.sharing, options.training, learner_.shares_samples(), train_, out) {
    if (!options.learned.empty()) learner_.start_from(options.learned);
    taught_.expects_outputs_of(train_);
    expects(!learner_.shares_samples() || options.sharing.rule == sharing_rule::naive || options.precision == "float32",
            [&] {
              return message("samples=rw_kd takes differences of losses that precision ", options.precision,
                             " would not show, expected float32");
            });
    expects(!learner_.shares_samples() || options.device == nullptr,
            "samples=rw_kd: shares of samples are decided on the host alone");
    settings_ = settings_of(options, verb, student_text, teacher, taught_.store_text(), learner_.shares_samples(),
                            train_, dev_);
  }

  /// The report of a run that an earlier process brought to its end; nothing where there is none. Throws where that run
  /// had other settings.
  [[nodiscard]] std::optional<task_training_report> ended() {
    const auto end = options_.resume ? end_of_run(options_.output) : std::nullopt;
    if (!end) return std::nullopt;
    expects_settings_of_run(options_.output, settings_);
    if (!keep_logits_.empty() && !std::filesystem::exists(keep_logits_))
      throw file_error(options_.output.string(), "",
                       "holds a complete run, which asks its teacher nothing more for " + keep_logits_.string());
    out_.say("the run in " + options_.output.string() + " is complete");
    task_training_report report{.updates = end->template required<std::int64_t>("step"),
                                .best_epoch = end->template required<std::int64_t>("best_epoch"),
                                .parameters = student_.model.parameters().size()};
    (void)summarise(report);
    if (!options_.brief) report_run(options_.output);  // it may have been killed before it did so itself
    return report;
  }

  [[nodiscard]] task_training_report train() {
    if (options_.device != nullptr) return train_on(*options_.device);
    taught_by<bert_classifier, float> from;
    if (teacher_ != nullptr) from = {&teacher_->model, teacher_->parameters(), {}};
    distiller<bert_classifier, E, float> step(student_.model, from, learner_.template terms<E>());
    const sample_set& trained_on = shared_.trained_on(train_);
    taught_.teach(on_, train_, trained_on, step, out_);
    shared_.join(student_.model, from, trained_on.size(), step,
                 [&](const sample_set& part, auto& theirs) { taught_.teach(on_, train_, part, theirs, out_); });
    step_engine<bert_classifier, E> engine(on_, student_.model, learner_.table(), learner_.weights(),
                                           learner_.gradients(), step, adamw_of_run());
    return train(engine, trained_on, [&](const sample_set& set) {
      return logits_of(on_, student_.model, read_only(learner_.weights()), set);
    });
  }

 private:
  [[nodiscard]] adamw_options adamw_of_run() const { return {.weight_decay = options_.training.weight_decay}; }

  [[nodiscard]] task_training_report train_on(const training_device& device) {
    out_.say("trains on " + device.name());
    device_task_plan plan{.student = student_.model,
                          .table = learner_.table(),
                          .terms = learner_.builder(),
                          .weights = read_only(learner_.weights()),
                          .optimiser = adamw_of_run()};
    if (teacher_ != nullptr) {
      plan.teacher = &teacher_->model;
      plan.teacher_weights = teacher_->parameters();
    }
    const std::unique_ptr<device_task> task = device.begin(plan);
    taught_.teach(on_, train_, train_, *task, out_);
    std::vector<std::vector<float>> weights;
    for (const sample_weighting& of_term : learner_.builder().sample_weightings())
      weights.push_back(weights_of_samples(on_, of_term, taught_.logits(), train_));
    task->use_sample_weights(std::move(weights));
    return train(*task, train_, [&](const sample_set& set) { return task->student_logits(set); });
  }

  /// logits(set): what the state by then says of samples.
  template <class Logits>
  [[nodiscard]] task_training_report train(training_engine<sample_set>& engine, const sample_set& trained_on,
                                           const Logits& logits) {
    trainer<> loop(
        engine, options_.training, options_.output, settings_, [&](view<const float, 1> best) { save_best(best); },
        out_);
    evaluator scores;
    if (options_.keeps == kept_state::best) scores = [&] { return dev_scores(dev_, student_.config.classes, logits); };
    const run_result result = loop.run(trained_on, scores, options_.resume);
    task_training_report report{.end = result.end,
                                .asked_to_stop = result.asked_to_stop,
                                .updates = result.at.updates,
                                .best_epoch = result.at.best_epoch,
                                .parameters = student_.model.parameters().size(),
                                .seconds = result.seconds};
    if (result.end == run_end::interrupted) {
      out_.say("stopped at update " + std::to_string(report.updates) + "; go on with --resume");
    } else {
      save_to(options_.output / "last", engine.weights());
      close(loop, report);
    }
    return report;
  }

  void save_to(const std::filesystem::path& folder, view<const float, 1> weights) {
    save_model(folder, student_.config, learner_.table(), weights, student_.vocabulary_text());
  }
  void save_best(view<const float, 1> weights) {
    save_to(options_.output, weights);
    if (options_.keeps == kept_state::last) learner_.save_learned(options_.output / "learned.safetensors", weights);
  }
  /// Looks at what the run left in its output folder, and tells the report of it.
  [[nodiscard]] run_summary summarise(task_training_report& report) {
    const bool scored = options_.keeps == kept_state::best;
    const text_classifier kept = load_text_classifier(options_.output);
    run_summary found = options_.brief && scored ? brief_summary(options_.output, kept, dev_.front(), dev_.size())
                                                 : summarise_run(on_, kept, options_.brief ? nullptr : teacher_,
                                                                 dev_.front(), learner_.layer_pairs(), scored, out_);
    report.metrics = found.metrics;
    report.teacher_agreement = found.teacher_agreement;
    return found;
  }
  /// Leaves what a complete run leaves.
  void close(trainer<>& loop, task_training_report& report) {
    const run_summary ends = summarise(report);
    loop.note_at_end(ends.record);
    write_speed(options_.output, ends.speed, report.seconds, on_.threads);
    loop.finish();
    if (!options_.brief) report_run(options_.output);
  }

  const E& on_;
  const text_classifier& student_;
  const text_classifier* teacher_;
  const task_training_options& options_;
  console& out_;
  std::filesystem::path keep_logits_;
  task_teacher taught_;
  learned_parameters learner_;
  sample_set train_;
  std::vector<sample_set> dev_;
  task_sharing<E> shared_;
  json settings_;
};

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
  detail::task_run<E> run(on, student, teacher, texts, options, verb, student_text, out);
  std::optional<run_lock> lock;
  if (held == nullptr) lock.emplace(detail::claim_folder(options.output, options.resume));
  if (auto ended = run.ended()) return *ended;
  return run.train();
}

}  // namespace limbeck
