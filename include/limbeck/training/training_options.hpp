// The settings of a training run that every verb shares.
#pragma once

#include <cstdint>
#include <string>

#include "limbeck/core/error.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/io/json.hpp"

namespace limbeck {

struct training_options {
  index epochs = 3;
  index steps = 0;              ///< updates after which the run ends, whatever `epochs` is; 0: as epochs say
  index evaluate_every = 0;     ///< updates between evaluations; 0: one at each epoch's end
  index batch_size = 32;        ///< samples of a micro-batch
  index accumulate = 1;         ///< micro-batches of an optimiser step
  double learning_rate = 5e-5;  ///< at its peak
  double warmup = 0.1;          ///< share of the updates; then linear decay to 0
  double weight_decay = 0.01;
  double clip = 1;  ///< the gradient's largest norm; 0: none
  double dropout = 0.1;
  index early_stop = 0;  ///< evaluations without a better score before the run ends; 0: never
  std::uint64_t seed = 0;
  /// How often, about, the share of each term in the gradient is taken, where there are several; 0: never. More than a
  /// hundred steps of the run for each term lie between two times, so that it takes a hundredth of the run at most.
  index gradient_shares = 20;
  double save_every = 60;  ///< seconds between checkpoints; there is one at each epoch's end too

  /// Throws contract_error naming the setting.
  void check() const {
    const auto positive = [](const char* name, index value) {
      expects(value >= 1, [&] { return message(name, ": must be 1 or more, not ", value); });
    };
    const auto between = [](const char* name, double value, double low, double high) {
      expects(value >= low && value <= high,
              [&] { return message(name, ": must be in ", low, " .. ", high, ", not ", value); });
    };
    positive("epochs", epochs);
    positive("batch-size", batch_size);
    positive("accumulate", accumulate);
    between("learning-rate", learning_rate, 0, 1);
    between("warmup", warmup, 0, 1);
    between("weight-decay", weight_decay, 0, 1);
    between("clip", clip, 0, 1e9);
    between("dropout", dropout, 0, 0.99);
    between("save-every", save_every, 0, 1e9);
    expects(early_stop >= 0, "early-stop: must not be negative");
    expects(gradient_shares >= 0, "gradient-shares: must not be negative");
    expects(steps >= 0, "steps: must not be negative");
    expects(evaluate_every >= 0, "evaluate-every: must not be negative");
  }
};

/// Those that every verb's runs must repeat when they are resumed, by their names on the command line.
[[nodiscard]] inline json settings_of(const training_options& t) {
  return {{"epochs", t.epochs},
          {"batch-size", t.batch_size},
          {"accumulate", t.accumulate},
          {"learning-rate", t.learning_rate},
          {"warmup", t.warmup},
          {"weight-decay", t.weight_decay},
          {"clip", t.clip},
          {"dropout", t.dropout},
          {"early-stop", t.early_stop},
          {"seed", t.seed}};
}

}  // namespace limbeck
