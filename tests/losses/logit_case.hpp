// A batch of logits with all that belongs to it, and a loss called on it: what the tests of losses on class scores
// share.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "limbeck/losses/loss_policy.hpp"

namespace limbeck_test {

using limbeck::index;

/// S, U: what student and teacher store; A: what is computed in; G: how gradients are stored.
template <class A, class S = A, class U = S, class G = A>
struct logit_case {
  index rows = 0, columns = 0;
  std::vector<S> student;  ///< [rows, columns]
  std::vector<U> teacher;  ///< [rows, teacher_columns or columns]
  index teacher_columns = 0;
  index valid_classes = 0;
  std::vector<std::int32_t> labels{}, row_sample{};
  std::vector<A> scores{}, row_weight{}, sample_weight{};
  limbeck::normaliser per{};
  double scale = 1, progress = 0;
  bool gradient_wanted = true;

  struct outcome {
    std::vector<A> value;     ///< [samples]
    std::vector<G> gradient;  ///< [rows, columns]
    [[nodiscard]] A total() const { return std::accumulate(value.begin(), value.end(), A(0)); }
  };

  [[nodiscard]] index samples() const {
    if (!sample_weight.empty()) return static_cast<index>(sample_weight.size());
    if (row_sample.empty()) return rows;
    return row_sample.back() + 1;
  }

  template <class Loss>
  outcome operator()(const Loss& loss, int threads = 1) const {
    using limbeck::cpu, limbeck::view;
    outcome got{std::vector<A>(static_cast<std::size_t>(samples()), A(0)),
                std::vector<G>(gradient_wanted ? student.size() : 0, G(A(0)))};
    limbeck::signals<const S> s{view<const S, 2>(student.data(), rows, columns), row_samples(), valid_classes};
    limbeck::signals<const U> t{view<const U, 2>(teacher.data(), rows, teacher_columns > 0 ? teacher_columns : columns),
                                row_samples(), valid_classes};
    limbeck::targets<A> given{vector_view(labels), vector_view(scores), vector_view(row_weight)};
    limbeck::sink<A, cpu, G> out{view<A, 1>(got.value.data(), samples())};
    if (gradient_wanted) out.gradient.logits = view<G, 2>(got.gradient.data(), rows, columns);
    out.weight = vector_view(sample_weight);
    out.per = per;
    out.scale = scale;
    out.progress = progress;
    loss(limbeck::cpu_executor<>{threads}, s, t, given, out);
    return got;
  }

 private:
  template <class T>
  static limbeck::view<const T, 1> vector_view(const std::vector<T>& v) {
    return v.empty() ? limbeck::view<const T, 1>() : limbeck::view<const T, 1>(v.data(), v.size());
  }
  [[nodiscard]] limbeck::view<const std::int32_t, 1> row_samples() const { return vector_view(row_sample); }
};

/// `count` numbers between low and high, the same ones for the same seed.
template <class T>
std::vector<T> random_numbers(std::size_t count, double low, double high, unsigned seed = 1) {
  std::vector<T> numbers(count);
  unsigned state = seed * 2654435769U + 1;
  for (T& x : numbers) {
    state = state * 1664525U + 1013904223U;
    x = static_cast<T>(low + (high - low) * ((state >> 8) / 16777216.0));
  }
  return numbers;
}

/// Logits of both between -spread and spread, the same ones for the same seed.
template <class A>
logit_case<A> random_logits(index rows, index classes, double spread, unsigned seed) {
  const auto size = static_cast<std::size_t>(rows * classes);
  return {rows, classes, random_numbers<A>(size, -spread, spread, seed),
          random_numbers<A>(size, -spread, spread, seed + 1)};
}

/// The gradient of the summed value by central differences, for the student's entry `at`.
template <class Loss>
double central_difference(logit_case<double> c, const Loss& loss, std::size_t at, double step = 1e-5) {
  c.gradient_wanted = false;
  const double x = c.student[at];
  c.student[at] = x + step;
  const double above = c(loss).total();
  c.student[at] = x - step;
  return (above - c(loss).total()) / (2 * step);
}
/// |central difference - gradient| / max(1, |gradient|) for the student's entry `at`; `gradient`: what the loss gave.
template <class Loss>
double slope_error(const logit_case<double>& c, const Loss& loss, const std::vector<double>& gradient, std::size_t at) {
  return std::abs(central_difference(c, loss, at) - gradient[at]) / std::max(1.0, std::abs(gradient[at]));
}

}  // namespace limbeck_test
