// A run's teacher: asked, and kept for others, or read from a store.
#pragma once

#include <concepts>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/recipes/classifier.hpp"
#include "limbeck/recipes/teacher_outputs.hpp"
#include "limbeck/training/console.hpp"
#include "limbeck/training/stored_teacher.hpp"
#include "limbeck/training/training_device.hpp"

namespace limbeck::detail {

/// Where a run's teacher says what it says: nowhere, asked at once for all samples, or kept in a file.
class task_teacher {
 public:
  /// `keep_logits`: the file of a store to write, of the logits of all training samples; empty: none. Throws file_error
  /// where the store to read is of another teacher or task.
  task_teacher(const text_classifier* model, const std::filesystem::path& store,
               const std::filesystem::path& keep_logits, const task_description& task)
      : model_(model), keep_logits_(keep_logits) {
    expects(store.empty() || model != nullptr, "train_on_task: a store is a teacher's, there is none");
    if (store.empty()) return;
    store_ = std::make_shared<const teacher_store>(open_store(store, *model, task));
    text_ = store.filename().string() + " " + store_->checksum();
  }

  /// What a resumed run's store must repeat; empty: none.
  [[nodiscard]] const std::string& store_text() const { return text_; }
  /// Where its likeliest classes alone are kept, the temperature that they are kept for.
  [[nodiscard]] std::optional<double> top_k_temperature() const {
    return store_ && store_->is_top_k() ? std::optional(store_->temperature()) : std::nullopt;
  }
  /// Throws file_error where the store has nothing for `train`.
  void expects_outputs_of(const sample_set& train) {
    if (store_ && read_by_batch(*store_))
      (void)store_->rows_of(train);
    else if (store_)
      expects_logits_of(*store_, train);
  }
  /// Gives a step the outputs that its terms read of `part`: of the training samples `all`, or some of them. What is
  /// not kept is computed once, for all, so that no bit depends on the part. `Step`: a distiller, or a device's task.
  template <launchable E, class Step>
  void teach(const E& on, const sample_set& all, const sample_set& part, Step& step, console& out) {
    if (store_ && read_by_batch(*store_)) step.use_kept(&kept_.emplace_back(store_, part, model_->config.sizes.heads));
    const bool asked = step.reads_teacher_logits() || !keep_logits_.empty();
    if (model_ == nullptr || !asked || top_k_temperature()) return;
    const index classes = model_->config.classes;
    if (logits_.empty()) {
      const auto ask = [&](const sample_set& set) {
        if constexpr (std::derived_from<Step, device_task>)
          return in_label_order(step.teacher_logits(set), classes_by_label(model_->config, set.task));
        else
          return teacher_logits(on, *model_, set, out);
      };
      logits_ = store_ && keeps_logits(*store_) ? stored_logits(on, *store_, *model_, all, out, ask) : ask(all);
      if (!keep_logits_.empty()) keep(all, out);
    }
    if (!step.reads_teacher_logits()) return;
    const float* here = logits_.data();
    if (&part != &all) {
      std::vector<float>& some = parts_.emplace_back();
      for (index i = 0; i < part.size(); ++i)
        some.insert(some.end(), here + part.number(i) * classes, here + (part.number(i) + 1) * classes);
      here = some.data();
    }
    step.use_logits(view<const float, 2>(here, part.size(), classes));
  }
  /// Those that were computed of all training samples, [samples, classes]; empty: none were.
  [[nodiscard]] view<const float, 2> logits() const {
    if (logits_.empty()) return {};
    const index classes = model_->config.classes;
    return view<const float, 2>(logits_.data(), static_cast<index>(logits_.size()) / classes, classes);
  }

 private:
  void keep(const sample_set& all, console& out) const {
    write_store(keep_logits_, *model_, all, counted(all.tokens.size()),
                {.logits = view<const float, 2>(logits_.data(), all.size(), model_->config.classes)});
    out.say("the teacher's logits of " + std::to_string(all.size()) + " samples are in " + keep_logits_.string());
  }

  const text_classifier* model_;
  std::filesystem::path keep_logits_;
  std::shared_ptr<const teacher_store> store_;
  std::deque<stored_teacher> kept_;  // of training samples, or some; steps look at them
  std::string text_;
  std::vector<float> logits_;              // of all training samples
  std::vector<std::vector<float>> parts_;  // of some
};

}  // namespace limbeck::detail
