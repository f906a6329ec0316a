// distilled_weights() on the host.
#pragma once

#include "host_place.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/training/adamw.hpp"
#include "limbeck/training/gradient_norm.hpp"
#include "training/distilled_weights.hpp"

namespace limbeck_test {

inline std::vector<double> host_distillation(int steps) {
  host_place host;
  limbeck::adamw<double> optimiser(teacher_and_student().table, step_options);
  return distilled_weights<double>(host, steps, [&](view<const double, 1> gradient, view<double, 1> weights) {
    optimiser.update(host.executor, step_rate, limbeck::clip_scale(norm_of(host.executor, gradient), step_clip),
                     gradient, weights);
  });
}

}  // namespace limbeck_test
