// Fine-tunes an encoder, or trains one from scratch, on a labelled task: how a teacher is made.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "limbeck/models/student_spec.hpp"
#include "limbeck/recipes/task_training.hpp"

namespace limbeck {

struct fine_tune_options : task_training_options {
  std::filesystem::path model;       ///< a folder with an encoder; empty: from scratch
  std::string from_scratch;          ///< sizes in text, such as `layers=2,width=128,heads=2,inner=512`
  std::filesystem::path vocabulary;  ///< of a model from scratch
  bool cased = false;                ///< the same
};

/// The terms of plain training.
[[nodiscard]] inline std::string label_term(const task_description& task) {
  return task.regression() ? "regression_mse" : "cross_entropy";
}

/// A model of the given sizes with fresh weights. Throws contract_error for sizes that are missing.
[[nodiscard]] inline text_classifier model_from_scratch(const fine_tune_options& o, const task_description& task) {
  vocabulary pieces = vocabulary::read(o.vocabulary);
  model_config base;
  base.lower_case = !o.cased;
  base.sizes.vocabulary = pieces.size();
  base.sizes.pad_id = pieces.pad();
  model_config config = config_for(student_config(parse_student_spec(o.from_scratch), base), task);
  config.dropout = config.attention_dropout = o.training.dropout;
  bert_classifier model = make_classifier(config);
  buffer<float> weights(model.parameters().size());
  initialise(model.parameters(), o.training.seed, weights.all());
  word_piece tokeniser = tokeniser_of(std::move(pieces), config);
  return {o.vocabulary, std::move(config), std::move(model), std::move(weights), {}, std::move(tokeniser)};
}

/// Trains on the task's labels. Writes a folder that evaluate, predict and distill, and transformers, read.
template <launchable E>
task_training_report fine_tune(const E& on, fine_tune_options options, console& out) {
  const task_texts texts = read_task(options.task);
  text_classifier model = options.model.empty() ? model_from_scratch(options, texts.train.task)
                                                : load_for_task(options.model, texts.train.task, options.training.seed);
  if (options.losses.empty()) options.losses = {label_term(texts.train.task)};
  return train_on_task(on, model, nullptr, texts, options, "fine-tune",
                       options.model.empty() ? options.from_scratch : options.model.string(), out);
}

}  // namespace limbeck
