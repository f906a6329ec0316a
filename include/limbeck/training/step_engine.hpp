// A training engine on any executor: a distiller, a norm and AdamW.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/backend/host_copy.hpp"
#include "limbeck/training/adamw_formula.hpp"
#include "limbeck/training/clipping.hpp"
#include "limbeck/training/distiller.hpp"
#include "limbeck/training/training_engine.hpp"
#if !defined(__CUDACC__)
#include "limbeck/training/adamw.hpp"
#include "limbeck/training/gradient_norm.hpp"
#endif

namespace limbeck {

/// Trains `Model` where E works; training/step_engine_cuda.hpp has what that takes on a device. `Engine`: the interface
/// that it stands behind.
template <class Model, launchable E, class Samples = sample_set,
          std::derived_from<training_engine<Samples>> Engine = training_engine<Samples>>
class step_engine : public Engine {
 public:
  using place = backend_of<E>;
  using step_type = distiller<Model, E, float, Samples>;
  using batch = typename Engine::batch;

  /// `table` holds the student's parameters and what terms learn behind them; weights and gradients, where E works, are
  /// laid out by it. All must outlive the engine.
  step_engine(const E& on, const Model& student, const parameter_table& table, view<float, 1, place> weights,
              view<float, 1, place> gradients, step_type& step, const adamw_options& options = {})
      : on_(on),
        student_(student),
        table_(table),
        weights_(weights),
        gradients_(gradients),
        step_(step),
        optimiser_(on, table, options),
        totals_(on, static_cast<index>(step.terms().size()) + 1),
        weights_here_(weights),
        first_here_(optimiser_.first_moment()),
        second_here_(optimiser_.second_moment()),
        totals_here_(totals_.all()) {
    for (const auto& term : step.terms()) names_.push_back(term.name);
  }
  step_engine(const step_engine&) = delete;  // its parts look at one another
  step_engine& operator=(const step_engine&) = delete;

  [[nodiscard]] const std::vector<std::string>& term_names() const override { return names_; }
  [[nodiscard]] index classes() const override { return student_.head().classes(); }
  [[nodiscard]] const parameter_table& table() const override { return table_; }
  void begin_epoch(std::uint64_t epoch) override { step_.begin_epoch(epoch); }
  void announce(batch chosen) override { step_.announce(chosen); }

  void begin_step() override {
    step_.clear(on_, gradients_);
    ops::fill(on_, 0.0, totals_.all());
  }
  void accumulate(const Samples& set, batch chosen, const normaliser& counts, const pass_mode& mode,
                  double progress) override {
    step_.accumulate(on_, set, chosen, counts, mode, progress, read_only(weights_), gradients_, values());
  }
  [[nodiscard]] step_totals totals() override {
    norm_of(on_, read_only(gradients_), norm(), step_.touched());
    const view<const double, 1> found = totals_here_.fetch(on_);
    return {{found.data(), names_.size()}, found(static_cast<index>(names_.size()))};
  }
  void update(double rate, double clip) override {
    optimiser_.update(on_, rate, gradient_clip<place>{norm(), clip}, read_only(gradients_), weights_, step_.touched());
  }

  [[nodiscard]] std::vector<double> norms_of_terms(const Samples& set, batch chosen, const normaliser& counts,
                                                   const pass_mode& mode, double progress) override {
    const view<const float, 1, place> of_student(gradients_.data(), student_.parameters().size());
    step_.each_term_gradient(
        on_, set, chosen, counts, mode, progress, read_only(weights_), gradients_,
        [&](std::size_t t) { norm_of(on_, of_student, total(static_cast<index>(t)), step_.touched()); });
    const view<const double, 1> found = totals_here_.fetch(on_);
    return {found.data(), found.data() + names_.size()};
  }

  [[nodiscard]] view<const float, 1> weights() override { return weights_here_.fetch(on_); }
  [[nodiscard]] trained_numbers<const float> numbers() override {
    return {weights_here_.fetch(on_), first_here_.fetch(on_), second_here_.fetch(on_)};
  }
  [[nodiscard]] trained_numbers<float> room() override {
    (void)optimiser_.first_moment();  // which are going to change
    return {weights_here_.room(), first_here_.room(), second_here_.room()};
  }
  void go_on_from(index updates) override {
    weights_here_.give_back(on_);
    first_here_.give_back(on_);
    second_here_.give_back(on_);
    optimiser_.resume_at(updates);
  }

  [[nodiscard]] bool shares_samples() const override { return step_.shares_samples(); }
  [[nodiscard]] const shares_of_step<float>& shares() const override { return step_.shares(); }
  [[nodiscard]] std::vector<named_numbers<float>> learned_beside() override {
    return step_.sharing() != nullptr ? step_.sharing()->state() : std::vector<named_numbers<float>>{};
  }
  void share_from(index micro_batches) override {
    if (step_.sharing() != nullptr) step_.sharing()->resume_at(micro_batches);
  }

 protected:
  [[nodiscard]] const step_type& step() const { return step_; }

 private:
  /// The total of term t; behind the terms comes the gradient's norm.
  [[nodiscard]] view<double, 1, place> total(index t) { return view<double, 1, place>(totals_.data() + t, 1); }
  [[nodiscard]] view<double, 1, place> values() {
    return view<double, 1, place>(totals_.data(), static_cast<index>(names_.size()));
  }
  [[nodiscard]] view<double, 1, place> norm() { return total(static_cast<index>(names_.size())); }

  E on_;
  const Model& student_;
  const parameter_table& table_;
  view<float, 1, place> weights_, gradients_;
  step_type& step_;
  adamw<float, place> optimiser_;
  buffer<double, place> totals_;
  host_copy<float, place> weights_here_, first_here_, second_here_;
  host_copy<double, place> totals_here_;
  std::vector<std::string> names_;
};

}  // namespace limbeck
