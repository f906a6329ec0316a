// A recipe as a list of stages: each an ordinary run in a folder of its own, which starts from the student that the
// stage before left there.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "limbeck/recipes/classifier.hpp"
#include "limbeck/recipes/run_folder.hpp"
#include "limbeck/recipes/task.hpp"
#include "limbeck/recipes/task_training.hpp"

namespace limbeck {

/// One stage. Teacher, texts and head are looked at, and outlive the recipe.
struct training_stage {
  std::string name;                          ///< of its folder beneath the output; the last stage's is the output
  const text_classifier* teacher = nullptr;  ///< null: none
  const task_texts* texts = nullptr;         ///< their task says what classes the student's head has
  task_training_options options{};           ///< but output and resume, which are the recipe's
  const text_classifier* head = nullptr;     ///< behind the first: whose classifier goes on; null: what was left
};

namespace detail {

/// Where each stage of a recipe writes.
[[nodiscard]] inline std::vector<std::filesystem::path> folders_of(const std::vector<training_stage>& stages,
                                                                   const std::filesystem::path& output) {
  std::vector<std::filesystem::path> folders;
  for (const training_stage& s : stages) folders.push_back(output / s.name);
  folders.back() = output;
  return folders;
}

/// Throws contract_error, naming the stage, where its settings or terms do not fit, and file_error where it could not
/// write what it keeps of its teacher: known now, and not hours later.
inline void expects_stages(const std::vector<training_stage>& stages, const text_classifier& student,
                           const std::filesystem::path& output) {
  expects(!stages.empty(), "run_stages: a recipe needs a stage");
  const std::vector<std::filesystem::path> folders = folders_of(stages, output);
  for (const training_stage& s : stages) try {
      s.options.training.check();
      (void)kept_logits_file(s.options, folders[static_cast<std::size_t>(&s - stages.data())], s.teacher != nullptr);
      parameter_table table = student.model.parameters();
      const std::vector<std::string>& losses = s.options.losses;
      const model_config config = config_for(student.config, s.texts->train.task);
      (void)term_builder({losses.begin(), losses.end()}, context_of(config, s.teacher), table);
      if (s.head == nullptr) continue;
      const model_config& other = s.head->config;
      expects(other.classes == config.classes && other.sizes.width == config.sizes.width, [&] {
        return message("run_stages: a head of ", other.classes, " classes from width ", other.sizes.width,
                       ", the student has ", config.classes, " and ", config.sizes.width);
      });
    } catch (const contract_error& e) {
      throw contract_error("stage " + s.name + ": " + e.what());
    }
}

/// Puts the folders, which the recipe has claimed, into a state that its stages may go on from. A fresh run forgets
/// what earlier ones recorded, the last stage first: whenever it is killed, no stage of theirs stands behind one of its
/// own. Throws file_error where a recipe that was stopped would be lost, and where `resume` finds a stage of another
/// run.
inline void prepare_folders(const std::vector<std::filesystem::path>& folders, bool resume) {
  std::error_code none;
  for (const auto& folder : folders)
    if (std::filesystem::is_symlink(folder, none) && folder != folders.back())
      throw file_error(folder.string(), "", "is a link, expected an output folder without links");
  const auto stopped = [](const auto& folder) { return std::filesystem::exists(folder / "checkpoint.safetensors"); };
  std::size_t complete = 0;
  while (complete < folders.size() && end_of_run(folders[complete])) ++complete;
  const bool between = complete > 0 && complete < folders.size();
  if (!resume && (between || std::ranges::any_of(folders, stopped)))
    throw file_error(folders.back().string(), "",
                     "holds a run that was stopped; go on with --resume, or remove the folder");
  for (std::size_t k = complete + 1; resume && k < folders.size(); ++k)
    if (stopped(folders[k]) || end_of_run(folders[k]))
      throw file_error(folders[k].string(), "",
                       "holds a run that is not of this recipe, whose stage before is not complete");
  for (std::size_t k = folders.size(); !resume && k-- > 0;) {
    std::error_code failed;
    std::filesystem::remove(folders[k] / "run.jsonl", failed);
    if (failed) throw file_error((folders[k] / "run.jsonl").string(), "", "cannot be removed: " + failed.message());
  }
}

}  // namespace detail

/// Trains the student stage by stage; its own weights stay. Every stage but the last writes into a folder of its name
/// beneath `output`, the last into `output`. A run that was stopped goes on with `resume` in the stage where it was,
/// and ends with the bits of an unbroken one; stages that are complete are not run again, and must have the same
/// settings. The report is the last stage's, or that of the one which was interrupted; seconds are of all. Throws as
/// train_on_task() does, and contract_error for terms of a later stage before the first one runs.
template <launchable E>
task_training_report run_stages(const E& on, const text_classifier& student, const std::vector<training_stage>& stages,
                                const std::filesystem::path& output, bool resume, const std::string& verb,
                                const std::string& student_text, console& out) {
  detail::expects_stages(stages, student, output);
  const std::vector<std::filesystem::path> folders = detail::folders_of(stages, output);
  const run_lock lock = detail::claim_folder(output, resume);
  detail::prepare_folders(folders, resume);
  task_training_report report;
  std::optional<text_classifier> left;
  double seconds = 0;
  for (std::size_t k = 0; k < stages.size(); ++k) {
    const training_stage& s = stages[k];
    const bool last = k + 1 == stages.size();
    task_training_options options = s.options;
    options.output = folders[k];
    options.resume = resume;
    out.say("stage " + s.name + ", " + std::to_string(k + 1) + " of " + std::to_string(stages.size()));
    if (k > 0) {
      left.emplace(load_for_task(folders[k - 1], s.texts->train.task, options.training.seed));
      if (stages[k - 1].options.keeps == kept_state::last) options.learned = folders[k - 1] / "learned.safetensors";
    }
    if (left && s.head != nullptr) take_head(*left, *s.head);
    report = train_on_task(on, left ? *left : student, s.teacher, *s.texts, options, verb + ", stage " + s.name,
                           k == 0 ? student_text : "of stage " + stages[k - 1].name, out, last ? &lock : nullptr);
    report.seconds = seconds += report.seconds;
    if (report.asked_to_stop && !last) report.end = run_end::interrupted;
    if (report.end == run_end::interrupted) break;
  }
  return report;
}

}  // namespace limbeck
