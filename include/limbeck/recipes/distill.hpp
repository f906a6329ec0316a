// Distils a teacher into a smaller student on a task: the main job.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/models/student_spec.hpp"
#include "limbeck/recipes/fine_tune.hpp"
#include "limbeck/recipes/task_training.hpp"

namespace limbeck {

struct distill_options : task_training_options {
  std::filesystem::path teacher;
  std::string student;  ///< a folder, or sizes in text
};

/// The terms where none are named: 0.9 of the teacher (at temperature 2 for classes), 0.1 of the labels.
[[nodiscard]] inline std::vector<std::string> default_terms(const task_description& task) {
  if (task.regression()) return {"logits_mse:weight=0.9", "regression_mse:weight=0.1"};
  return {"soft_target_kl:temperature=2,weight=0.9", "cross_entropy:weight=0.1"};
}

/// Throws contract_error where the two read different vocabularies: token ids would mean other words.
inline void expects_same_vocabulary(const std::string& who, const text_classifier& a, const text_classifier& teacher) {
  expects(a.pieces.pieces().content_hash() == teacher.pieces.pieces().content_hash() &&
              a.config.lower_case == teacher.config.lower_case,
          [&] {
            return message("the ", who, " ", a.folder.string(), " and the teacher ", teacher.folder.string(),
                           " do not read the same vocabulary");
          });
}

/// The student that `text` describes. Throws contract_error where it reads another vocabulary than the teacher.
[[nodiscard]] inline text_classifier make_student(const std::string& text, const text_classifier& teacher,
                                                  const task_description& task, std::uint64_t seed) {
  if (std::filesystem::is_directory(text)) {
    text_classifier student = load_for_task(text, task, seed);
    expects_same_vocabulary("student", student, teacher);
    return student;
  }
  const student_spec spec = parse_student_spec(text);
  initialised_student<float> made =
      initialise_student(spec, teacher.config, teacher.model.parameters(), teacher.parameters(), seed);
  model_config config = config_for(std::move(made.config), task);
  word_piece pieces = tokeniser_of(teacher.pieces.pieces(), config);
  text_classifier student{text, std::move(config), std::move(made.model), std::move(made.weights),
                          {},   std::move(pieces)};
  if (!spec.from_teacher.empty()) put_head_in_order(student, classes_by_label(teacher.config, task));
  return student;
}

/// Distils. Throws as its parts do: contract_error for what does not fit, file_error for files.
template <launchable E>
task_training_report distill(const E& on, distill_options options, console& out) {
  const task_texts texts = read_task(options.task);
  const text_classifier teacher = load_text_classifier(options.teacher);
  (void)classes_by_label(teacher.config, texts.train.task);
  text_classifier student = make_student(options.student, teacher, texts.train.task, options.training.seed);
  if (options.losses.empty()) options.losses = default_terms(texts.train.task);
  return train_on_task(on, student, &teacher, texts, options, "distill", options.student, out);
}

}  // namespace limbeck
