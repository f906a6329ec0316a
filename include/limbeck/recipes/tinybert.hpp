// TinyBERT: general distillation on text without labels, then the task in two stages, first layers, then predictions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/io/masked_model_folder.hpp"
#include "limbeck/io/tensor_source.hpp"
#include "limbeck/recipes/augmentation.hpp"
#include "limbeck/recipes/distill.hpp"
#include "limbeck/recipes/stages.hpp"

namespace limbeck {

/// What TinyBERT (Jiao et al. 2020, arXiv:1909.10351) has beside a distillation, whose epochs, learning rate and terms
/// are those of its last stage, of predictions. The paper trains that one for 3 epochs at 1e-5 to 3e-5.
struct tinybert_options {
  std::filesystem::path general_teacher;  ///< a folder with an encoder that no task has changed; empty: no such stage
  std::filesystem::path corpus;           ///< its texts, one a line
  index general_epochs = 3, intermediate_epochs = 20;
  double general_learning_rate = 5e-5, intermediate_learning_rate = 5e-5;
  std::vector<std::string> intermediate_losses;    ///< terms of both; empty: intermediate_terms()
  augmentation_options augmentation{.copies = 0};  ///< the paper has 20 copies; the seed is the run's
};

/// The terms on layers: attention scores, hidden states and embeddings (equations 7 to 9), each of weight 1. Where the
/// widths differ one projection with a bias serves embeddings and states, as in the released code.
[[nodiscard]] inline std::vector<std::string> intermediate_terms(index student_width, index teacher_width) {
  const std::string projection =
      student_width == teacher_width ? "projection=none" : "projection=linear_bias,shared=layers";
  return {"attention_mse:mapping=uniform", "hidden_mse:mapping=uniform," + projection, "embedding_mse:" + projection};
}

/// The terms on predictions: the soft cross-entropy at temperature 1 (equation 10), for regressions the error to the
/// labels, as in the released code.
[[nodiscard]] inline std::vector<std::string> prediction_terms(const task_description& task) {
  if (task.regression()) return {"regression_mse"};
  return {"soft_cross_entropy:temperature=1"};
}

namespace detail {

/// The texts of the general stage, which have no labels; the task is only what the student's head is of.
[[nodiscard]] inline task_texts corpus_texts(const task_texts& of_task, const std::filesystem::path& corpus) {
  return {{of_task.train.task, corpus.string(), {}}, of_task.dev, read_texts(corpus)};
}

/// Whether the folder's model can guess words.
[[nodiscard]] inline bool guesses_words(const std::filesystem::path& folder) {
  const tensor_source source(folder);
  return std::ranges::count(source.names(), names_of(read_model_config(folder).family).transform_weight) > 0;
}

/// Copies of the task's texts. Words of one piece give way to guesses where the general teacher, or the teacher, has
/// the head of a masked language model.
template <launchable E>
[[nodiscard]] std::vector<example> copies_of(const E& on, const task_texts& texts, const text_classifier& teacher,
                                             const tinybert_options& recipe, std::uint64_t seed, console& out) {
  augmentation_options how = recipe.augmentation;
  how.seed = seed;
  how.check();
  if (how.copies == 0) return {};
  std::optional<loaded_masked_model<float>> model;
  for (const std::filesystem::path& folder : {recipe.general_teacher, teacher.folder})
    if (!model && !folder.empty() && guesses_words(folder)) model.emplace(load_masked_model<float>(folder));
  std::optional<word_guesses> guesses;
  if (model) guesses.emplace(model->model, read_only(model->weights.all()), teacher.pieces.pieces());
  const auto total = static_cast<index>(texts.train.examples.size());
  std::vector<example> copies =
      augmented(on, texts.train.examples, teacher.pieces, word_vectors(teacher), how, guesses ? &*guesses : nullptr,
                [&](index done) { out.progress("augment", done, total); });
  out.clear();
  return copies;
}

/// The store of which the stage on layers has a use: one that keeps states. Throws contract_error where the stages have
/// samples that it cannot have.
[[nodiscard]] inline std::filesystem::path store_of_layers(const distill_options& options,
                                                           const text_classifier& teacher, const task_description& task,
                                                           index copies) {
  if (options.store.empty()) return {};
  const teacher_store store = open_store(options.store, teacher, task);
  expects(copies == 0 || !read_by_batch(store), [&] {
    return message("tinybert: ", options.store.string(),
                   " has states, or the likeliest classes, of the task's own texts, ", copies,
                   " copies of each are wanted beside them");
  });
  return store.is_top_k() || !read_by_batch(store) ? std::filesystem::path() : options.store;
}

/// A stage on layers.
[[nodiscard]] inline training_stage layer_stage(const std::string& name, const text_classifier& teacher,
                                                const task_texts& texts, const distill_options& options, index epochs,
                                                double learning_rate, std::vector<std::string> losses) {
  training_stage s{.name = name, .teacher = &teacher, .texts = &texts, .options = options};
  s.options.keeps = kept_state::last;
  s.options.training.epochs = epochs;
  s.options.training.learning_rate = learning_rate;
  s.options.training.early_stop = 0;
  s.options.store.clear();
  s.options.keep_logits.clear();
  s.options.losses = std::move(losses);
  return s;
}

}  // namespace detail

/// Distils in the stages `general` (where a teacher for it is named), `intermediate` and `prediction`. The last one of
/// a regression, whose own terms learn from labels, leaves out texts that have none. Throws as distill() does, and
/// contract_error where one of general teacher and corpus is missing, or where copies of texts are wanted beside a
/// store that has to have every sample.
template <launchable E>
task_training_report tinybert(const E& on, distill_options options, const tinybert_options& recipe, console& out) {
  expects(recipe.general_teacher.empty() == recipe.corpus.empty(),
          "tinybert: a general teacher needs a corpus, and a corpus a general teacher");
  task_texts texts = read_task(options.task);
  const task_description& task = texts.train.task;
  const text_classifier teacher = load_text_classifier(options.teacher);
  (void)classes_by_label(teacher.config, task);
  const text_classifier student = make_student(options.student, teacher, task, options.training.seed);
  const auto on_layers = [&](const text_classifier& from) {
    return recipe.intermediate_losses.empty() ? intermediate_terms(student.config.sizes.width, from.config.sizes.width)
                                              : recipe.intermediate_losses;
  };

  const std::filesystem::path kept_layers = detail::store_of_layers(options, teacher, task, recipe.augmentation.copies);
  const bool labels_alone = task.regression() && options.losses.empty();
  if (options.losses.empty()) options.losses = prediction_terms(task);
  std::optional<task_texts> labelled;
  if (labels_alone) labelled.emplace(texts);
  std::vector<training_stage> stages;
  std::optional<text_classifier> general;
  std::optional<task_texts> corpus;
  if (!recipe.corpus.empty()) {
    general.emplace(load_text_classifier(recipe.general_teacher, {.fresh_head = true, .seed = 0}));
    expects_same_vocabulary("general teacher", *general, teacher);
    corpus.emplace(detail::corpus_texts(texts, recipe.corpus));
    stages.push_back(detail::layer_stage("general", *general, *corpus, options, recipe.general_epochs,
                                         recipe.general_learning_rate, on_layers(*general)));
    stages.back().options.transfer.clear();
  }
  texts.unlabelled = detail::copies_of(on, texts, teacher, recipe, options.training.seed, out);
  stages.push_back(detail::layer_stage("intermediate", teacher, texts, options, recipe.intermediate_epochs,
                                       recipe.intermediate_learning_rate, on_layers(teacher)));
  stages.back().options.store = kept_layers;
  stages.push_back(
      {.name = "prediction", .teacher = &teacher, .texts = labelled ? &*labelled : &texts, .options = options});
  if (labels_alone) stages.back().options.transfer.clear();
  return run_stages(on, student, stages, options.output, options.resume, "tinybert", options.student, out);
}

}  // namespace limbeck
