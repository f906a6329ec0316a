// Pea-KD: a student learns how its teacher did on each sample, and is then distilled with patience.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/recipes/distill.hpp"
#include "limbeck/recipes/stages.hpp"
#include "limbeck/recipes/teacher_prediction_task.hpp"

namespace limbeck {

/// What Pea-KD (Cho and Kang 2020, arXiv:2009.14822) has beside a distillation, whose epochs, learning rate and terms
/// are those of its last stage. The released code trains that one for 10 epochs at 2e-5, and lays the first stage out
/// for 6 epochs of which it runs 4.
struct pea_kd_options {
  index ptp_epochs = 4;  ///< of the pretraining with the teacher's predictions, to a learning rate of 0
  double ptp_learning_rate = 2e-5;
  std::string ptp_thresholds = "paper";  ///< as parse_thresholds() reads them
};

/// The terms of patient distillation as the released code has them: 0.7 of the teacher at temperature 10, 0.3 of the
/// labels, 100 times the mean error of normalised first tokens. A student of one effective layer has no layer but its
/// last, which patience leaves out.
[[nodiscard]] inline std::vector<std::string> patient_kd_terms(index student_layers) {
  std::vector<std::string> terms{"soft_target_kl:temperature=10,weight=0.7", "cross_entropy:weight=0.3"};
  if (student_layers > 1) terms.emplace_back("patience:mapping=pkd_skip,scale=mean_element,weight=100");
  return terms;
}

namespace detail {

/// The teacher's logits of texts, from its store where that keeps logits of all classes.
template <launchable E>
[[nodiscard]] std::vector<float> logits_of_texts(const E& on, const text_classifier& teacher, const dataset& texts,
                                                 index max_length, const std::filesystem::path& store, console& out) {
  const sample_set set = make_samples(texts, teacher.pieces, max_length);
  if (!store.empty())
    if (const teacher_store kept = open_store(store, teacher, texts.task); !kept.is_top_k()) {
      expects_logits_of(kept, set);
      return stored_logits(on, kept, teacher, set, out);
    }
  return teacher_logits(on, teacher, set, out);
}

/// The texts with the teacher's predictions for labels, and above which confidences they are made.
struct teacher_predictions {
  task_texts texts;
  confidence_thresholds above;
};
template <launchable E>
[[nodiscard]] teacher_predictions predictions_of(const E& on, const text_classifier& teacher, const task_texts& texts,
                                                 const distill_options& options,
                                                 const std::optional<confidence_thresholds>& above, console& out) {
  const index length = options.task.max_length;
  const std::vector<float> of_train = logits_of_texts(on, teacher, texts.train, length, options.store, out);
  teacher_predictions made{{}, above ? *above : median_thresholds_of(texts.train, of_train)};
  made.texts.train = with_teacher_predictions(texts.train, of_train, made.above);
  for (const dataset& dev : texts.dev)
    made.texts.dev.push_back(
        with_teacher_predictions(dev, logits_of_texts(on, teacher, dev, length, {}, out), made.above));
  const std::array<index, 4> count = count_teacher_predictions(made.texts.train);
  out.say(message("the teacher is right of ", count[0] + count[1], " training samples, of ", count[0],
                  " with confidence above ", made.above.correct, "; wrong of ", count[2] + count[3], ", of ", count[2],
                  " above ", made.above.wrong));
  return made;
}

/// The pretraining, but for its texts.
[[nodiscard]] inline training_stage prediction_stage(const distill_options& options, const pea_kd_options& recipe) {
  training_stage s{.name = "ptp", .options = options};
  s.options.training.epochs = recipe.ptp_epochs;
  s.options.training.learning_rate = recipe.ptp_learning_rate;
  s.options.training.early_stop = 0;
  s.options.transfer.clear();
  s.options.store.clear();
  s.options.keep_logits.clear();
  s.options.losses = {"cross_entropy"};
  return s;
}

}  // namespace detail

/// Distils in the stages `ptp`, on the task's own texts and under a head of four classes that is thrown away, and
/// `distillation`, under the head that the student would have begun with. The best state of the first is by accuracy on
/// dev, labelled by the teacher in the same way. Throws as distill() does, and contract_error for a regression and
/// thresholds that cannot be read.
template <launchable E>
task_training_report pea_kd(const E& on, distill_options options, const pea_kd_options& recipe, console& out) {
  const task_texts texts = read_task(options.task);
  const task_description& task = texts.train.task;
  const auto above = parse_thresholds(recipe.ptp_thresholds, task.name);
  const task_description predicted = teacher_prediction_task(task);
  const text_classifier teacher = load_text_classifier(options.teacher);
  (void)classes_by_label(teacher.config, task);
  const text_classifier student = make_student(options.student, teacher, task, options.training.seed);
  const text_classifier first = with_fresh_head(student, predicted, options.training.seed);
  if (options.losses.empty()) options.losses = patient_kd_terms(student.config.sizes.layers);

  task_texts relabelled{.train = {.task = predicted}, .dev = {}};
  std::vector<training_stage> stages{detail::prediction_stage(options, recipe)};
  stages.front().texts = &relabelled;
  stages.push_back(
      {.name = "distillation", .teacher = &teacher, .texts = &texts, .options = options, .head = &student});
  detail::expects_stages(stages, first, options.output);  // and not after the teacher has run
  for (const auto& folder : detail::folders_of(stages, options.output))
    detail::expects_free_folder(folder, options.resume);

  detail::teacher_predictions made = detail::predictions_of(on, teacher, texts, options, above, out);
  relabelled = std::move(made.texts);
  stages.front().options.task.task =
      message(task.name, ", the teacher's predictions above ", made.above.correct, " and ", made.above.wrong);
  return run_stages(on, first, stages, options.output, options.resume, "pea-kd", options.student, out);
}

}  // namespace limbeck
