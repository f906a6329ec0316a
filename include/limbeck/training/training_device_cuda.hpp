// Trains on a CUDA device. For one .cu file of a program: CMake's limbeck_cuda_device() adds it, and make_cuda_device()
// is what the other files call.
#pragma once

#include "limbeck/training/step_engine_cuda.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/backend/copy_cuda.hpp"
#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/backend/cuda_executor.hpp"
#include "limbeck/training/evaluation.hpp"
#include "limbeck/training/masked_evaluation.hpp"
#include "limbeck/training/training_device.hpp"

namespace limbeck {
namespace detail {

/// A stream with what it keeps, and on it all that a plan's training needs.
template <class Model, class Samples>
class cuda_training_room {
 public:
  using step_type = distiller<Model, cuda_executor, float, Samples>;

  cuda_training_room(const device_plan<Model>& plan, const cuda_options& options)
      : context_(options), weights_(on(), plan.table.size()), gradients_(on(), plan.table.size()) {
    copy(on(), view<const float, 1>(plan.weights.data(), plan.table.size()), weights_.all());
    if (plan.teacher != nullptr) {
      const index size = plan.teacher->parameters().size();
      teacher_weights_ = buffer<float, cuda>(on(), size);
      copy(on(), view<const float, 1>(plan.teacher_weights.data(), size), teacher_weights_.all());
    }
    wait(on());  // the numbers of the host may go
    step_ = std::make_unique<step_type>(
        plan.student, taught_by<Model, float, cuda>{plan.teacher, teacher_weights(), {}},
        plan.terms.template build<cuda_executor, float>(read_only(weights_.all()), gradients_.all()));
  }

  [[nodiscard]] cuda_executor on() { return {.context = &context_}; }
  [[nodiscard]] view<float, 1, cuda> weights() { return weights_.all(); }
  [[nodiscard]] view<float, 1, cuda> gradients() { return gradients_.all(); }
  [[nodiscard]] view<const float, 1, cuda> teacher_weights() const { return teacher_weights_.all(); }
  [[nodiscard]] step_type& step() { return *step_; }

 private:
  cuda_context context_;
  buffer<float, cuda> weights_, gradients_, teacher_weights_;
  std::unique_ptr<step_type> step_;
};

class cuda_task final : cuda_training_room<bert_classifier, sample_set>,
                        public step_engine<bert_classifier, cuda_executor, sample_set, device_task> {
  using room = cuda_training_room<bert_classifier, sample_set>;

 public:
  cuda_task(const device_task_plan& plan, const cuda_options& options)
      : room(plan, options),
        step_engine(room::on(), plan.student, plan.table, room::weights(), room::gradients(), room::step(),
                    plan.optimiser),
        student_(plan.student),
        teacher_(plan.teacher) {}

  [[nodiscard]] std::vector<float> student_logits(const sample_set& set) override {
    return logits_of(room::on(), student_, read_only(room::weights()), set);
  }
  [[nodiscard]] std::vector<float> teacher_logits(const sample_set& set) override {
    expects(teacher_ != nullptr, "cuda_task: there is no teacher");
    return logits_of(room::on(), *teacher_, teacher_weights(), set);
  }
  [[nodiscard]] bool reads_teacher_logits() const override { return step_engine::step().reads_teacher_logits(); }
  void use_logits(view<const float, 2> logits) override { room::step().use_logits(logits); }
  void use_sample_weights(std::vector<std::vector<float>> weights) override {
    room::step().use_sample_weights(std::move(weights));
  }
  void use_kept(kept_teacher<float>* kept) override { room::step().use_kept(kept); }

 private:
  const bert_classifier& student_;
  const bert_classifier* teacher_;
};

class cuda_pretraining final
    : cuda_training_room<bert_masked_language_model, masked_documents>,
      public step_engine<bert_masked_language_model, cuda_executor, masked_documents, device_pretraining> {
  using room = cuda_training_room<bert_masked_language_model, masked_documents>;

 public:
  cuda_pretraining(const device_pretraining_plan& plan, const cuda_options& options)
      : room(plan, options),
        step_engine(room::on(), plan.student, plan.table, room::weights(), room::gradients(), room::step(),
                    plan.optimiser),
        student_(plan.student) {}

  [[nodiscard]] masked_scores scores(const masked_documents& set) override {
    return scores_of(room::on(), student_, read_only(room::weights()), set);
  }

 private:
  const bert_masked_language_model& student_;
};

}  // namespace detail

/// The device that is current when it is made.
class cuda_training_device final : public training_device {
 public:
  /// Throws backend_error where there is none.
  explicit cuda_training_device(const cuda_options& options = {}) : options_(options) {
    cudaDeviceProp properties{};
    int device = 0;
    throw_on_failure(cudaGetDevice(&device), "cuda_training_device: cudaGetDevice");
    throw_on_failure(cudaGetDeviceProperties(&properties, device), "cuda_training_device: cudaGetDeviceProperties");
    name_ = properties.name;
  }
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::unique_ptr<device_task> begin(const device_task_plan& plan) const override {
    return std::make_unique<detail::cuda_task>(plan, options_);
  }
  [[nodiscard]] std::unique_ptr<device_pretraining> begin(const device_pretraining_plan& plan) const override {
    return std::make_unique<detail::cuda_pretraining>(plan, options_);
  }

 private:
  cuda_options options_;
  std::string name_;
};

}  // namespace limbeck
