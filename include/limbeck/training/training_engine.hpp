// What computes the steps of a training run: what a training loop asks of it, wherever it works.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "limbeck/blocks/pass.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/models/parameter_table.hpp"
#include "limbeck/training/sample_sharing.hpp"

namespace limbeck {

/// All numbers that training changes, on the host, laid out by one table.
template <class T>
struct trained_numbers {
  view<T, 1> weights, first_moment, second_moment;
};

/// What an optimiser step found before it moved anything.
struct step_totals {
  std::span<const double> values;  ///< of each term
  double norm = 0;                 ///< of the gradient
};

/// A student that learns the terms of an objective, with all that a step needs. Samples come from the host, weights and
/// gradients lie where the engine works.
template <class Samples>
class training_engine {
 public:
  using batch = std::span<const std::ptrdiff_t>;

  virtual ~training_engine() = default;

  [[nodiscard]] virtual const std::vector<std::string>& term_names() const = 0;
  [[nodiscard]] virtual index classes() const = 0;
  /// The student's parameters, and what terms learn behind them.
  [[nodiscard]] virtual const parameter_table& table() const = 0;

  /// The number of the epoch, from 0, that the next steps belong to.
  virtual void begin_epoch(std::uint64_t epoch) = 0;
  /// Tells which samples the next call of accumulate() will be given.
  virtual void announce(batch chosen) = 0;

  // One optimiser step: begin_step(), accumulate() for every micro-batch, totals(), update().
  virtual void begin_step() = 0;
  /// Adds the chosen samples' share of a step to its gradient and its values. `counts` are those of the whole step.
  virtual void accumulate(const Samples& set, batch chosen, const normaliser& counts, const pass_mode& mode,
                          double progress) = 0;
  /// Waits for a device. Valid until the next step.
  [[nodiscard]] virtual step_totals totals() = 0;
  /// Moves the weights at learning rate `rate`, by a gradient whose norm is at most `clip`; 0: as it is. After
  /// totals().
  virtual void update(double rate, double clip) = 0;

  /// The norms of each term's gradient in the student's parameters, over samples of the last step and with its dropout.
  /// Spoils the gradient.
  [[nodiscard]] virtual std::vector<double> norms_of_terms(const Samples& set, batch chosen, const normaliser& counts,
                                                           const pass_mode& mode, double progress) = 0;

  // What is trained, as the host sees it: a device is waited for, and copied from. Valid until the next call.
  [[nodiscard]] virtual view<const float, 1> weights() = 0;
  [[nodiscard]] virtual trained_numbers<const float> numbers() = 0;
  /// Room for what a checkpoint keeps; go_on_from(updates) then goes on with that.
  [[nodiscard]] virtual trained_numbers<float> room() = 0;
  virtual void go_on_from(index updates) = 0;

  /// What decides the shares of samples, where terms share them.
  [[nodiscard]] virtual bool shares_samples() const { return false; }
  /// The shares of the samples of this step.
  [[nodiscard]] virtual const shares_of_step<float>& shares() const {
    static const shares_of_step<float> none;
    return none;
  }
  /// What it has learned.
  [[nodiscard]] virtual std::vector<named_numbers<float>> learned_beside() { return {}; }
  /// Goes on after so many micro-batches with what learned_beside() was filled with.
  virtual void share_from(index /*micro_batches*/) {}
};

}  // namespace limbeck
