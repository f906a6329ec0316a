// Options that verbs share beyond the common ones: the task, the training.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

#include <limbeck/recipes/task.hpp>
#include <limbeck/recipes/task_training.hpp>

#include "verbs.hpp"

namespace program {

/// --data, --task and, for `--task tsv`, the columns.
inline void add_task(CLI::App& verb, limbeck::task_options& o) {
  verb.add_option("--data", o.data, "Folder with train.tsv and dev.tsv")->required();
  verb.add_option("--task", o.task, "GLUE name (cola, sst-2, mrpc, sts-b, qqp, mnli, qnli, rte, wnli), or tsv")
      ->required();
  verb.add_option("--text-column", o.columns.text_column, "tsv: column of the text, from 0")->capture_default_str();
  verb.add_option("--pair-column", o.columns.pair_column, "tsv: column of a second text");
  verb.add_option("--label-column", o.columns.label_column, "tsv: column of the label")->capture_default_str();
  verb.add_option("--metric", o.columns.metric,
                  "tsv: accuracy, f1, f1_macro, matthews, or pearson, spearman for a regression")
      ->capture_default_str();
  verb.add_flag("--header", o.columns.header, "tsv: the first line holds names");
  verb.add_option("--max-length", o.max_length, "Tokens of a sample; longer ones are cut")->capture_default_str();
}

/// What every training verb has, whatever it learns from. The result is --loss.
template <class Options>
CLI::Option* add_run(CLI::App& verb, Options& o, std::string& backend) {
  limbeck::training_options& t = o.training;
  verb.add_option("--output", o.output, "Folder of the run: the best model, last/, run.jsonl")->required();
  verb.add_option("--epochs", t.epochs, "Times that every sample is seen")->capture_default_str();
  verb.add_option("--batch-size", t.batch_size, "Samples of a batch")->capture_default_str();
  verb.add_option("--accumulate", t.accumulate, "Batches of an optimiser step")->capture_default_str();
  verb.add_option("--learning-rate", t.learning_rate, "At its peak")->capture_default_str();
  verb.add_option("--warmup", t.warmup, "Share of the steps; then linear decay to 0")->capture_default_str();
  verb.add_option("--weight-decay", t.weight_decay, "Of weights; never of biases and norms")->capture_default_str();
  verb.add_option("--clip", t.clip, "Largest norm of the gradient; 0: any")->capture_default_str();
  verb.add_option("--dropout", t.dropout, "Share of numbers that are dropped in training")->capture_default_str();
  verb.add_option("--early-stop", t.early_stop, "Evaluations without a better score before the run ends; 0: never")
      ->capture_default_str();
  verb.add_option("--save-every", t.save_every, "Seconds between checkpoints")->capture_default_str();
  auto* losses = verb.add_option("--loss", o.losses,
                                 "Term of the objective, name:key=value,key=value; may be given several times");
  verb.add_option("--precision", o.precision, "Numbers that products are made of: float32, bf16, or on a device tf32")
      ->check(CLI::IsMember({"float32", "tf32", "bf16"}))
      ->capture_default_str();
  verb.add_option("--backend", backend, "Where to train: cpu or cuda")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  verb.add_flag("--resume", o.resume, "Go on with the run in the output folder");
  return losses;
}

/// The same for a task.
inline void add_training(CLI::App& verb, limbeck::task_training_options& o, std::string& backend) {
  add_run(verb, o, backend);
  verb.add_flag("--brief", o.brief,
                "Leave out what only the report shows: the teacher on dev, layers, calibration, report.html");
  verb.add_option("--limit", o.task.limit, "Rows of train.tsv, from the first");
  verb.add_option("--label-noise", o.task.noise.share, "Share of the training labels that become another class")
      ->capture_default_str();
}

/// Prints how a run ended and returns the exit status.
inline int report(const limbeck::task_training_report& r, const std::string& output, bool as_json) {
  if (r.end == limbeck::run_end::interrupted) return interrupted;
  const auto number = [](const std::optional<double>& x) { return x ? limbeck::json(*x) : limbeck::json(); };
  if (as_json) {
    limbeck::json line{{"output", output},
                       {"updates", r.updates},
                       {"best_epoch", r.best_epoch},
                       {"parameters", r.parameters},
                       {"seconds", r.seconds}};
    for (const auto& [name, value] : r.metrics) line[name] = number(value);
    if (r.teacher_agreement) line["teacher_agreement"] = *r.teacher_agreement;
    std::printf("%s\n", line.dump().c_str());
    return success;
  }
  for (const auto& [name, value] : r.metrics)
    value ? std::printf("%s %.4f\n", name.c_str(), *value) : std::printf("%s undefined\n", name.c_str());
  if (r.teacher_agreement) std::printf("teacher agreement %.4f\n", *r.teacher_agreement);
  std::printf("%td parameters, best after epoch %td, %.1f s; written to %s\n", r.parameters, r.best_epoch + 1,
              r.seconds, output.c_str());
  return success;
}

}  // namespace program
