// Compares the correlations of softened class scores, within rows and within columns.
#pragma once

#include "limbeck/losses/correlation.hpp"
#include "limbeck/losses/logit_rows.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/dist_kd_cuda.hpp"
#else
#include "limbeck/losses/dist_kd_cpu.hpp"
#endif

namespace limbeck {

/// DIST (Huang et al. 2022, arXiv:2205.10536, section 3.2): value[sample of row] += temperature^2 * (beta * (1 - r) +
/// gamma * the mean over classes of 1 - r of that class over the rows of this call), divided by the caller's count of
/// `over`; r is Pearson's correlation of student and teacher in softmax(logits / temperature), 0 where one of them does
/// not vary. A loss of the batch: it does not come out the same when the batch is split. Rows of weight 0 are left out,
/// columns behind valid_classes not touched. Logits: [rows, classes]. Needs room for both distributions, [rows,
/// classes] each, and allocates nothing after the first call of a size. Throws contract_error where the shapes or
/// numbers of valid classes differ, or temperature <= 0.
struct dist_kd {
  static constexpr signal_set reads = signal::logits;
  static constexpr bool of_batch = true;
  double temperature = 1, beta = 1, gamma = 1;
  double epsilon = 1e-8;  ///< beside the product of both norms
  bool t_squared = true;
  divisor over = divisor::rows;

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>& given,
                  const sink<A, backend_of<E>, G>& out, gradient_holds before = gradient_holds::a_sum) const {
    expects(temperature > 0, [&] { return message("dist_kd: temperature ", temperature, ", must be positive"); });
    const double factor = (t_squared ? temperature * temperature : 1) / count_of(out.per, over);
    const auto number = [](double x) { return static_cast<A>(x); };
    detail::correlation_rows(
        backend_of<E>{}, on,
        detail::correlation_terms<A>{number(1 / temperature), number(beta), number(gamma), number(epsilon)},
        detail::with_gradient(detail::rows_of_both("dist_kd", student, teacher, given, out, factor), before));
  }
};

}  // namespace limbeck
