// Shares that are not known beforehand: how much each sample of a batch listens to the teacher, and how much to its
// label, decided when the batch comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "limbeck/blocks/pass.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/core/targets.hpp"
#include "limbeck/models/token_batch.hpp"

namespace limbeck {

/// The batch that shares are asked for, on the point of being trained on. Valid until the next one.
template <class T>
struct sharing_batch {
  std::span<const std::ptrdiff_t> chosen;  ///< of the training set
  token_batch<> tokens;
  targets<T> given;                   ///< row_weight: 1 for a sample with a label, 0 for others
  signals<const T> seen;              ///< of the student, by the pass that trains: its logits
  signals<const T> shown;             ///< of the teacher: its logits
  pass_mode mode;                     ///< of the student's pass; mode.step counts micro-batches and never comes twice
  double progress = 0;                ///< the share of the run that is done
  std::uint64_t epoch = 0;            ///< that is under way, from 0
  view<const T, 1> weights;           ///< the student's, and whatever lies behind them
  signal_set reads = signal::logits;  ///< by that pass: another that reads less may drop other numbers
};

/// Numbers that a checkpoint keeps.
template <class T>
struct named_numbers {
  std::string name;
  view<T, 1> numbers;
};

/// Decides the shares of a batch. What it learns from batch to batch is in its state: with that, shares are a function
/// of the batch alone, and a resumed run has those of an unbroken one.
template <class E, class T>
class sample_sharing {
 public:
  virtual ~sample_sharing() = default;
  /// Writes share [samples of the batch], each from 0 to 1: 1 listens to the teacher alone. Those of samples without a
  /// label are not looked at. Called once for each micro-batch of a run, in order.
  virtual void shares(const E& on, const sharing_batch<T>& batch, const view<T, 1>& share) = 0;
  /// What it has learned, in a fixed order; empty: nothing.
  [[nodiscard]] virtual std::vector<named_numbers<T>> state() { return {}; }
  /// Goes on after so many micro-batches with the state that the caller has filled in.
  virtual void resume_at(index /*micro_batches*/) {}
};

/// The shares of the samples of one optimiser step, as they came.
template <class T>
struct shares_of_step {
  std::vector<std::ptrdiff_t> samples;
  std::vector<T> shares;
};

}  // namespace limbeck
