// Forward and reverse KL of softened logits in long double, as the textbook has them: what kernels are compared with.
#pragma once

#include <algorithm>
#include <cmath>

#include "losses/logit_case.hpp"

namespace limbeck_test {

enum class kl_direction { forward, reverse };

/// Without t_squared and counts; weights and scale as in the case.
template <class A, class S, class U, class G>
logit_case<double>::outcome kl_reference(const logit_case<A, S, U, G>& c, double temperature, kl_direction direction) {
  using real = long double;
  const index classes = c.valid_classes > 0 ? c.valid_classes : c.columns;
  const index teacher_columns = c.teacher_columns > 0 ? c.teacher_columns : c.columns;
  logit_case<double>::outcome want{std::vector<double>(static_cast<std::size_t>(c.samples())),
                                   std::vector<double>(c.student.size())};
  const auto log_softmax = [&](const auto* row) {
    std::vector<real> z;
    for (index i = 0; i < classes; ++i) z.push_back(static_cast<real>(static_cast<double>(row[i])) / real(temperature));
    const real top = *std::max_element(z.begin(), z.end());
    real sum = 0;
    for (const real x : z) sum += std::exp(x - top);
    for (real& x : z) x -= top + std::log(sum);
    return z;
  };
  for (index r = 0; r < c.rows; ++r) {
    const auto row = static_cast<std::size_t>(r);
    const std::size_t sample = c.row_sample.empty() ? row : static_cast<std::size_t>(c.row_sample[row]);
    const real weight = real(c.scale) * (c.row_weight.empty() ? A(1) : c.row_weight[row]) *
                        (c.sample_weight.empty() ? A(1) : c.sample_weight[sample]);
    if (weight == 0) continue;
    const auto q = log_softmax(c.student.data() + r * c.columns);
    const auto p = log_softmax(c.teacher.data() + r * teacher_columns);
    real value = 0;
    for (std::size_t i = 0; i < q.size(); ++i)
      value += direction == kl_direction::forward ? std::exp(p[i]) * (p[i] - q[i]) : std::exp(q[i]) * (q[i] - p[i]);
    want.value[sample] += static_cast<double>(weight * value);
    for (std::size_t i = 0; i < q.size(); ++i) {
      const real slope =
          direction == kl_direction::forward ? std::exp(q[i]) - std::exp(p[i]) : std::exp(q[i]) * (q[i] - p[i] - value);
      want.gradient[row * static_cast<std::size_t>(c.columns) + i] =
          static_cast<double>(weight / real(temperature) * slope);
    }
  }
  return want;
}

}  // namespace limbeck_test
