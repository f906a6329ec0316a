// A device that trains, as host code sees it: no header of CUDA's is needed to ask one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "limbeck/core/cuda_options.hpp"
#include "limbeck/models/model.hpp"
#include "limbeck/training/adamw_formula.hpp"
#include "limbeck/training/kept_teacher.hpp"
#include "limbeck/training/masked_documents.hpp"
#include "limbeck/training/masked_scores.hpp"
#include "limbeck/training/samples.hpp"
#include "limbeck/training/terms.hpp"
#include "limbeck/training/training_engine.hpp"

namespace limbeck {

/// What a device is given to train. What it refers to, weights excepted, must outlive the training.
template <class Model>
struct device_plan {
  const Model& student;
  const parameter_table& table;  ///< the student's parameters, and behind them what terms learn
  const term_builder& terms;
  view<const float, 1> weights;            ///< of the table; copied
  const Model* teacher = nullptr;          ///< null: none
  view<const float, 1> teacher_weights{};  ///< copied
  adamw_options optimiser{};
};
using device_task_plan = device_plan<bert_classifier>;
using device_pretraining_plan = device_plan<bert_masked_language_model>;

/// A training on a task that a device does.
class device_task : public training_engine<sample_set> {
 public:
  /// Logits of every sample, [samples, classes], on the host.
  [[nodiscard]] virtual std::vector<float> student_logits(const sample_set& set) = 0;
  [[nodiscard]] virtual std::vector<float> teacher_logits(const sample_set& set) = 0;

  // What a distiller is told of its teacher.
  [[nodiscard]] virtual bool reads_teacher_logits() const = 0;
  virtual void use_logits(view<const float, 2> logits) = 0;
  virtual void use_sample_weights(std::vector<std::vector<float>> weights) = 0;
  virtual void use_kept(kept_teacher<float>* kept) = 0;
};

/// A pretraining that a device does.
class device_pretraining : public training_engine<masked_documents> {
 public:
  /// Of the student as it is now; see scores_of().
  [[nodiscard]] virtual masked_scores scores(const masked_documents& set) = 0;
};

/// make_cuda_device() makes one.
class training_device {
 public:
  virtual ~training_device() = default;
  /// For people, such as the name that its maker gave it.
  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] virtual std::unique_ptr<device_task> begin(const device_task_plan& plan) const = 0;
  [[nodiscard]] virtual std::unique_ptr<device_pretraining> begin(const device_pretraining_plan& plan) const = 0;
};

/// The current CUDA device. Its code lies in the one .cu file that CMake's limbeck_cuda_device(TARGET) gives a target;
/// without that, a program that calls it does not link. Throws backend_error where there is no device.
[[nodiscard]] std::unique_ptr<training_device> make_cuda_device(const cuda_options& options = {});

}  // namespace limbeck
