// Weights of samples that follow from what the teacher makes of them: for sink::weight.
#pragma once

#include <cmath>
#include <string>

#include "limbeck/core/error.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// AdaKD's weight of the distillation loss of a sample, 0 to 1, by the teacher's loss on it (Ganguly et al. 2024,
/// arXiv:2405.08019, section 3): exp(-1 / sqrt(d)), d = exp(-steepness * (loss - threshold)). 1/e at the threshold,
/// more below it. The task's loss weighs 1 less that.
template <class A>
[[nodiscard]] A adakd_weight(A teacher_loss, double steepness, double threshold) {
  return static_cast<A>(std::exp(-std::exp(steepness * (static_cast<double>(teacher_loss) - threshold) / 2)));
}

/// The same for each sample, the threshold being the mean of all: weights[i] of teacher_loss[i]. Throws contract_error
/// where the sizes differ.
template <class A>
void adakd_weights(const view<const A, 1>& teacher_loss, double steepness, const view<A, 1>& weights) {
  expects(teacher_loss.extent(0) == weights.extent(0), [&] {
    return message("adakd_weights: ", weights.extent(0), " weights for ", teacher_loss.extent(0), " losses");
  });
  double sum = 0;
  for (index i = 0; i < teacher_loss.extent(0); ++i) sum += static_cast<double>(teacher_loss(i));
  const double mean = sum / static_cast<double>(teacher_loss.extent(0));
  for (index i = 0; i < weights.extent(0); ++i) weights(i) = adakd_weight(teacher_loss(i), steepness, mean);
}

}  // namespace limbeck
