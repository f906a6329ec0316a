// AdamW's formula, and which parameters decay: for the host and for a device.
#pragma once

#include <cmath>
#include <vector>

#include "limbeck/core/executors.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/models/parameter_table.hpp"

namespace limbeck {

/// What AdamW is told (Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2).
struct adamw_options {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0.01;  ///< of weights; never of biases and norms
};

/// training/adamw.hpp has the host's, training/adamw_cuda.hpp a device's.
template <class T, backend B = cpu>
class adamw;

namespace detail {

/// The numbers of one update. share1 and share2 are 1 - beta, rounded once: 1 - float(0.999) is off by 1e-5 of itself.
template <class T>
struct adamw_step {
  T beta1, beta2, share1, share2, epsilon, rate, keep, first_scale, second_scale, gradient_scale;

  /// Of update number `updates`, from 1 on.
  [[nodiscard]] static adamw_step of(const adamw_options& o, index updates, double rate, bool decays,
                                     double gradient_scale) {
    const auto n = static_cast<double>(updates);
    return {.beta1 = static_cast<T>(o.beta1),
            .beta2 = static_cast<T>(o.beta2),
            .share1 = static_cast<T>(1 - o.beta1),
            .share2 = static_cast<T>(1 - o.beta2),
            .epsilon = static_cast<T>(o.epsilon),
            .rate = static_cast<T>(rate),
            .keep = static_cast<T>(decays ? 1 - rate * o.weight_decay : 1),
            .first_scale = static_cast<T>(1 / (1 - std::pow(o.beta1, n))),
            .second_scale = static_cast<T>(1 / (1 - std::pow(o.beta2, n))),
            .gradient_scale = static_cast<T>(gradient_scale)};
  }
  /// The parameter's next value; the moments become those of this update. V: T or a vector of them.
  template <class V>
  LIMBECK_HD V update(const V& gradient, V& m, V& v, const V& p) const {
    const V g = gradient * V(gradient_scale);
    m = V(beta1) * m + V(share1) * g;
    v = V(beta2) * v + V(share2) * g * g;
    return p * V(keep) - V(rate) * (m * V(first_scale)) / (sqrt(v * V(second_scale)) + V(epsilon));
  }
  /// Whether all that an update does to a parameter without gradient and moments is to multiply it by `keep`: the
  /// formula takes 0 from it, and not 0 / 0 where epsilon is 0.
  [[nodiscard]] bool only_decays() const {
    T m = 0, v = 0;
    const T left = update(T(0), m, v, T(-0.0));
    return left == 0 && std::signbit(left);  // -0 less 0 is -0
  }
};

/// Parameters side by side that all decay, or none.
struct parameter_run {
  index offset, count;
  bool decays;
};
[[nodiscard]] inline std::vector<parameter_run> runs_of(const parameter_table& table) {
  std::vector<parameter_run> runs;
  for (const parameter& p : table.entries())
    if (!runs.empty() && runs.back().decays == p.decays())
      runs.back().count += p.count();
    else
      runs.push_back({p.offset, p.count(), p.decays()});
  return runs;
}

}  // namespace detail
}  // namespace limbeck
