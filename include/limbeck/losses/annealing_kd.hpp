// Logits whose teacher comes up to its full size while the student trains.
#pragma once

#include <algorithm>
#include <cmath>

#include "limbeck/losses/logits_mse.hpp"

namespace limbeck {

/// What the teacher's logits are multiplied by at a temperature of most .. 1: 1 / most .. 1 (Jafari et al. 2021,
/// arXiv:2104.07163, section 3).
[[nodiscard]] constexpr double annealing_scale(double temperature, double most) { return 1 - (temperature - 1) / most; }

/// The first phase of annealing distillation (Jafari et al. 2021, arXiv:2104.07163, section 3): logits_mse against the
/// teacher's logits times annealing_scale(), the temperature falling from most_temperature to 1 in equal parts of the
/// run (sink::progress), whole number by whole number. The second phase is a cross_entropy of its own. Shapes and
/// errors as in logits_mse; most_temperature is a whole number, 1 or more.
struct annealing_kd {
  static constexpr signal_set reads = signal::logits;
  double most_temperature = 10;
  divisor over = divisor::elements;

  /// The temperature when `progress` of the run is done.
  [[nodiscard]] double temperature(double progress) const {
    return std::max(1.0, most_temperature - std::floor(progress * most_temperature));
  }
  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>& given,
                  const sink<A, backend_of<E>, G>& out, gradient_holds before = gradient_holds::a_sum) const {
    expects(most_temperature >= 1 && most_temperature == std::floor(most_temperature), [&] {
      return message("annealing_kd: most_temperature ", most_temperature, ", must be a whole number, 1 or more");
    });
    const double scale = annealing_scale(temperature(out.progress), most_temperature);
    logits_mse{.temperature = 1, .over = over, .teacher_scale = scale}(on, student, teacher, given, out, before);
  }
};

}  // namespace limbeck
