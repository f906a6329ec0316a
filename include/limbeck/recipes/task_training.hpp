// Trains a classifier or regressor on a task, with a teacher or without: what fine-tuning and distilling share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "limbeck/io/run_lock.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/recipes/classifier.hpp"
#include "limbeck/recipes/task.hpp"
#include "limbeck/training/last_hidden.hpp"
#include "limbeck/training/stored_teacher.hpp"
#include "limbeck/training/teacher_store.hpp"
#include "limbeck/training/trainer.hpp"

namespace limbeck {

/// What is common to commands that train.
struct task_training_options {
  task_options task;
  training_options training;
  std::filesystem::path output;
  std::filesystem::path transfer;     ///< texts that only the teacher labels; empty: none
  std::filesystem::path store;        ///< what the teacher said of all of them (teacher_store); empty: it is asked
  std::vector<std::string> losses;    ///< terms; empty: the verb's default
  std::string precision = "float32";  ///< what the executor's products are made of; a resumed run must repeat it
  bool resume = false;
};

/// How a training on a task ended, for people and programs.
struct task_training_report {
  run_end end = run_end::complete;
  index updates = 0, best_epoch = 0;
  index parameters = 0;     ///< of the student
  double seconds = 0;       ///< of the training alone
  metric_values metrics{};  ///< of the best state on dev
  std::optional<double> teacher_agreement{};
};

namespace detail {

/// The settings that a resumed run must repeat.
[[nodiscard]] inline json settings_of(const task_training_options& o, const std::string& verb,
                                      const std::string& student, const std::string& teacher, const sample_set& train,
                                      const std::vector<sample_set>& dev) {
  const training_options& t = o.training;
  json all{{"verb", verb},
           {"student", student},
           {"teacher", teacher},
           {"task", o.task.task},
           {"max-length", o.task.max_length},
           {"epochs", t.epochs},
           {"batch-size", t.batch_size},
           {"accumulate", t.accumulate},
           {"learning-rate", t.learning_rate},
           {"warmup", t.warmup},
           {"weight-decay", t.weight_decay},
           {"clip", t.clip},
           {"dropout", t.dropout},
           {"early-stop", t.early_stop},
           {"seed", t.seed},
           {"precision", o.precision},
           {"loss", o.losses}};
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

/// Throws where something that a run writes is a link: what it leads to, outside of the folder, would be overwritten.
inline void expects_no_links(const std::filesystem::path& folder) {
  std::error_code none;
  for (const char* name : {"checkpoint.safetensors", "config.json", "last", "model.safetensors", "run.jsonl",
                           "tokenizer_config.json", "vocab.txt"})
    if (std::filesystem::is_symlink(folder / name, none))
      throw file_error((folder / name).string(), "", "is a link, expected an output folder without links");
}

/// Makes the output folder this run's own. Throws where another run holds it, where it has links in it, or holds a
/// stopped run and `resume` is not wanted.
[[nodiscard]] inline run_lock claim_folder(const std::filesystem::path& output, bool resume) {
  make_folder(output);
  run_lock lock(output);
  expects_no_links(output);
  expects_no_links(output / "last");
  expects_free_folder(output, resume);
  remove_partial_files(output);
  remove_partial_files(output / "last");
  return lock;
}

/// The last record of a run that came to its end; nothing of another.
[[nodiscard]] inline std::optional<json_value> end_of_run(const std::filesystem::path& output) {
  const auto file = output / "run.jsonl";
  if (!std::filesystem::exists(file) || std::filesystem::exists(output / "checkpoint.safetensors")) return std::nullopt;
  const std::vector<json_value> records = read_run_record(file);
  if (records.empty() || records.back().optional<std::string>("event", "") != "end") return std::nullopt;
  return records.back();
}

/// The task's training samples, and behind them the texts that only the teacher labels.
[[nodiscard]] inline sample_set training_samples(const task_texts& texts, const std::filesystem::path& transfer,
                                                 index max_length, const word_piece& pieces, console& out) {
  sample_set train = make_samples(texts.train, pieces, max_length);
  std::string line = std::to_string(train.size()) + " training samples";
  if (!transfer.empty()) {
    const std::vector<example> unlabelled = read_texts(transfer);
    for (const example& e : unlabelled) train.add(e, pieces, max_length, false);
    line += " and " + std::to_string(unlabelled.size()) + " without a label";
  }
  out.say(line + ", " + std::to_string(texts.dev.front().examples.size()) + " for evaluation");
  return train;
}

/// A teacher's logits of every sample, [samples, classes], in the order of the task's labels.
template <launchable E>
[[nodiscard]] std::vector<float> teacher_logits(const E& on, const text_classifier& teacher, const sample_set& set,
                                                console& out) {
  std::vector<float> logits = logits_of(on, teacher.model, teacher.parameters(), set, {},
                                        [&](index done) { out.progress("teacher", done, set.size()); });
  out.clear();
  return in_label_order(std::move(logits), classes_by_label(teacher.config, set.task));
}

/// What a store of the teacher's outputs for a task is known by.
[[nodiscard]] inline teacher_identity identity_of(const text_classifier& teacher, const task_description& task) {
  const view<const float, 1> weights = teacher.parameters();
  const std::uint64_t model = fnv1a(std::string_view(reinterpret_cast<const char*>(weights.data()),
                                                     static_cast<std::size_t>(weights.count()) * sizeof(float)),
                                    fnv1a(config_text(teacher.config)));
  std::string of_task = task.name;
  for (const std::string& label : task.label_names) of_task += "," + label;
  return {hash_text(model), hash_text(teacher.pieces.pieces().content_hash()), of_task};
}

/// What the teacher kept for the task. Throws file_error where it is another's.
[[nodiscard]] inline teacher_store open_store(const std::filesystem::path& file, const text_classifier& teacher,
                                              const task_description& task) {
  teacher_store store(file);
  store.expects_identity(identity_of(teacher, task));
  if (store.classes() != teacher.config.classes)
    throw file_error(
        file.string(), "",
        "is of " + std::to_string(store.classes()) + " classes, expected " + std::to_string(teacher.config.classes));
  return store;
}

/// The logits of rows that the teacher kept, in the order of the task's labels.
template <launchable E>
[[nodiscard]] std::vector<float> kept_logits(const E& on, const teacher_store& store, const text_classifier& teacher,
                                             const task_description& task, std::span<const index> rows) {
  if (store.last_hidden_width() > 0)
    return in_label_order(logits_from_last_hidden(on, teacher.model, teacher.parameters(), store, rows),
                          classes_by_label(teacher.config, task));
  kept_batch all;
  store.prefetch(rows);
  store.gather(rows, all);
  return std::move(all.logits);
}

/// Throws file_error where the store has none of the samples, or keeps no logits.
inline void expects_logits_of(const teacher_store& store, const sample_set& set) {
  const std::string file = store.path().string();
  if (!has(store.holds(), signal::logits) && store.last_hidden_width() == 0)
    throw file_error(file, "", "keeps states of layers alone, expected logits or last hidden states");
  const std::vector<index> rows = store.find_rows(set);
  if (std::all_of(rows.begin(), rows.end(), [](index row) { return row == teacher_store::no_row; }))
    throw file_error(
        file, "",
        "has none of the " + std::to_string(set.size()) + " samples, expected the same texts cut to the same length");
}

/// The logits of every sample, as teacher_logits() would compute them: those of samples that the store does not have,
/// it does.
template <launchable E>
[[nodiscard]] std::vector<float> stored_logits(const E& on, const teacher_store& store, const text_classifier& teacher,
                                               const sample_set& set, console& out) {
  const std::vector<index> rows = store.find_rows(set);
  std::vector<index> found;
  std::vector<std::ptrdiff_t> known, unknown;
  for (std::ptrdiff_t i = 0; i < set.size(); ++i) {
    const index row = rows[static_cast<std::size_t>(i)];
    if (row != teacher_store::no_row) found.push_back(row);
    (row == teacher_store::no_row ? unknown : known).push_back(i);
  }
  std::vector<float> logits(set.tokens.size() * static_cast<std::size_t>(teacher.config.classes));
  const auto place = [&](const std::vector<float>& from, const std::vector<std::ptrdiff_t>& samples) {
    for (std::size_t i = 0; i < samples.size(); ++i)
      std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(i) * teacher.config.classes, teacher.config.classes,
                  logits.begin() + samples[i] * teacher.config.classes);
  };
  place(kept_logits(on, store, teacher, set.task, found), known);
  if (unknown.empty()) return logits;
  out.say(store.path().string() + " lacks " + std::to_string(unknown.size()) + " of " + std::to_string(set.size()) +
          " samples; the teacher is asked for them");
  place(teacher_logits(on, teacher, part_of(set, unknown), out), unknown);
  return logits;
}

/// Scores the best state, which the folder holds, on the first dev set.
template <launchable E>
void score_best(const E& on, const std::filesystem::path& folder, const text_classifier* teacher, const sample_set& dev,
                console& out, task_training_report& report) {
  const auto best = load_model<float>(folder);
  const index classes = best.config.classes;
  const std::vector<float> logits = logits_of(on, best.model, read_only(best.weights.all()), dev);
  report.metrics = metrics_of<float>(dev, logits, classes);
  if (teacher != nullptr)
    report.teacher_agreement = agreement<float>(logits, teacher_logits(on, *teacher, dev, out), classes);
}

}  // namespace detail

/// Trains `student`, whose weights change, on the task. The best state on dev is written to the output folder, the last
/// one to its folder `last`. A run that was stopped leaves checkpoint.safetensors, which goes when it is complete; one
/// that is complete is not run again by `resume`. Nothing is written before all that was asked for is known to make
/// sense.
template <launchable E>
task_training_report train_on_task(const E& on, text_classifier& student, const text_classifier* teacher,
                                   const task_texts& texts, task_training_options options, const std::string& verb,
                                   const std::string& student_text, console& out) {
  options.training.check();
  expects(options.store.empty() || teacher != nullptr, "train_on_task: a store is a teacher's, there is none");
  // What is learned: the student, and behind it whatever the terms need.
  parameter_table table = student.model.parameters();
  term_context context{.student = student.config.sizes,
                       .teacher = {},
                       .classes = student.config.classes,
                       .regression = student.config.regression};
  if (teacher != nullptr) context.teacher = teacher->config.sizes;
  std::optional<teacher_store> store;
  if (!options.store.empty()) {
    store.emplace(detail::open_store(options.store, *teacher, texts.train.task));
    if (store->is_top_k()) context.top_k_temperature = store->temperature();
  }
  const term_builder builder({options.losses.begin(), options.losses.end()}, context, table);
  buffer<float> weights(table.size()), gradients(table.size());
  std::copy_n(student.weights.data(), student.model.parameters().size(), weights.data());
  for (std::size_t p = student.model.parameters().entries().size(); p < table.entries().size(); ++p)
    initialise_parameter(table.entries()[p], p, options.training.seed + 1, weights.all());
  auto terms = builder.template build<E, float>(read_only(weights.all()), gradients.all());

  const sample_set train =
      detail::training_samples(texts, options.transfer, options.task.max_length, student.pieces, out);
  const std::vector<sample_set> dev = make_sample_sets(texts.dev, student.pieces, options.task.max_length);
  const std::string of_store = store ? options.store.filename().string() + " " + store->checksum() : "";
  std::optional<stored_teacher> likeliest;
  if (store && store->is_top_k())
    likeliest.emplace(*std::move(store), train);
  else if (store)
    detail::expects_logits_of(*store, train);
  const run_lock lock = detail::claim_folder(options.output, options.resume);
  task_training_report report{.parameters = student.model.parameters().size()};
  if (const auto end = options.resume ? detail::end_of_run(options.output) : std::nullopt) {
    out.say("the run in " + options.output.string() + " is complete");
    report.updates = end->required<std::int64_t>("step");
    report.best_epoch = end->required<std::int64_t>("best_epoch");
    detail::score_best(on, options.output, teacher, dev.front(), out, report);
    return report;
  }

  taught_by<bert_classifier, float> taught;
  if (teacher != nullptr) taught = {&teacher->model, teacher->parameters(), {}};
  distiller<bert_classifier, E, float> step(student.model, taught, std::move(terms));
  std::vector<float> kept;  // what the teacher says of the training samples
  if (likeliest) {
    step.use_kept(&*likeliest);
  } else if (teacher != nullptr && step.reads_teacher_logits()) {
    kept = store ? detail::stored_logits(on, *store, *teacher, train, out)
                 : detail::teacher_logits(on, *teacher, train, out);
    step.use_logits(view<const float, 2>(kept.data(), train.size(), student.config.classes));
  }
  const std::string vocabulary = student.vocabulary_text();
  const auto save_to = [&](const std::filesystem::path& folder) {
    save_model(folder, student.config, table, read_only(weights.all()), vocabulary);
  };
  const std::string taught_from = teacher != nullptr ? teacher->folder.string() : "";
  auto settings = detail::settings_of(options, verb, student_text, taught_from, train, dev);
  if (!of_store.empty()) settings["store"] = of_store;
  trainer<E> loop(
      on, student.model, table, weights.all(), gradients.all(), step, options.training, options.output,
      std::move(settings), [&] { save_to(options.output); }, out);
  const run_result result = loop.run(train, dev, options.resume);
  report.end = result.end;
  report.updates = result.at.updates;
  report.best_epoch = result.at.best_epoch;
  report.seconds = result.seconds;
  if (result.end == run_end::interrupted) {
    out.say("stopped at update " + std::to_string(result.at.updates) + "; go on with --resume");
    return report;
  }
  save_to(options.output / "last");
  loop.finish();
  detail::score_best(on, options.output, teacher, dev.front(), out, report);
  return report;
}

}  // namespace limbeck
