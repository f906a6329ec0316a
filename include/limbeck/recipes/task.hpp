// A task as a command names it: where its files are, how texts are cut, how many rows are read.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/data/dataset.hpp"
#include "limbeck/data/glue.hpp"
#include "limbeck/data/label_noise.hpp"
#include "limbeck/training/samples.hpp"

namespace limbeck {

/// What a command says of its data.
struct task_options {
  std::filesystem::path data;  ///< holds train.tsv and dev.tsv
  std::string task;            ///< a GLUE name, or `tsv`
  tsv_task_options columns{};  ///< of `tsv`
  index max_length = 128;      ///< tokens of a sample, special ones included
  index limit = no_limit;      ///< rows of train.tsv
  label_noise noise{};         ///< of their labels
};

/// The task's description; labels of `tsv` come from train.tsv.
[[nodiscard]] inline task_description describe(const task_options& options) {
  return options.task == "tsv" ? tsv_task(options.columns) : glue_task(options.task);
}

/// A task's texts, not yet tokenised.
struct task_texts {
  dataset train;
  std::vector<dataset> dev;
  std::vector<example> unlabelled{};  ///< behind `train`: texts that only a teacher labels
};

/// Reads train.tsv, as far as the limit goes, with the noise that is asked for, and every dev set.
[[nodiscard]] inline task_texts read_task(const task_options& options) {
  dataset train = read_train(describe(options), options.data, options.limit);
  add_label_noise(train, options.noise);
  std::vector<dataset> dev = read_dev(train.task, options.data);
  return {std::move(train), std::move(dev), {}};
}

/// The dev sets alone. Labels of `tsv` come from train.tsv where it is there, from the first dev set elsewhere.
[[nodiscard]] inline std::vector<dataset> read_dev_sets(const task_options& options) {
  task_description task = describe(options);
  if (options.task == "tsv" && std::filesystem::exists(options.data / "train.tsv"))
    task = read_train(task, options.data, 1).task;
  return read_dev(task, options.data);
}

[[nodiscard]] inline std::vector<sample_set> make_sample_sets(const std::vector<dataset>& sets,
                                                              const word_piece& pieces, index max_length) {
  std::vector<sample_set> out;
  for (const dataset& d : sets) out.push_back(make_samples(d, pieces, max_length));
  return out;
}

}  // namespace limbeck
