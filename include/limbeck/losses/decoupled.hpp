// Compares the teacher's and the student's class scores for the label and for the other classes apart.
#pragma once

#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/label_or_not.hpp"
#include "limbeck/losses/label_rows.hpp"
#include "limbeck/losses/logit_rows.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/decoupled_cuda.hpp"
#else
#include "limbeck/losses/decoupled_cpu.hpp"
#endif

namespace limbeck {

/// Decoupled knowledge distillation (Zhao et al. 2022, arXiv:2203.08679, section 3.3): value[sample of row] +=
/// temperature^2 * (alpha * KL of the label against all others + beta * KL(teacher || student) over the others alone),
/// both of softmax(logits / temperature), divided by the caller's count of `over`. With beta = 1 - the teacher's
/// probability of the label, and alpha = 1, it is soft_target_kl. Logits: [rows, classes], two classes at least;
/// labels: [rows]. Rows whose label is ignore_index, or whose weight is 0, are skipped. Throws contract_error where
/// shapes differ, temperature <= 0, or, on the host, a label is neither a class nor ignore_index (on a device such a
/// row's value is NaN).
struct decoupled_kd {
  static constexpr signal_set reads = signal::logits;
  double temperature = 4, alpha = 1, beta = 8;
  bool t_squared = true;
  std::int32_t ignore_index = -100;
  divisor over = divisor::rows;

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>& given,
                  const sink<A, backend_of<E>, G>& out, gradient_holds before = gradient_holds::a_sum) const {
    expects(temperature > 0, [&] { return message("decoupled_kd: temperature ", temperature, ", must be positive"); });
    const double factor = (t_squared ? temperature * temperature : 1) / count_of(out.per, over);
    const auto number = [](double x) { return static_cast<A>(x); };
    detail::decoupled_rows(
        backend_of<E>{}, on, "decoupled_kd",
        detail::decoupled_terms<A, forward_kl, backend_of<E>>{
            {given.labels, ignore_index}, number(temperature), number(alpha), number(beta), {}},
        detail::with_gradient(detail::rows_of_both("decoupled_kd", student, teacher, given, out, factor), before));
  }
};

/// Normalised knowledge distillation (Yang et al. 2023, arXiv:2303.13005, section 3): value[sample of row] -=
/// p_y * log(q_y) at temperature 1, y being the label, + gamma * temperature^2 * sum over the other classes of p *
/// log(q), both made distributions over those classes at `temperature`; divided by the caller's count of `over`. The
/// plain cross-entropy that the paper adds is a term of its own. Shapes, rows that are skipped and errors as in
/// decoupled_kd.
struct normalised_kd {
  static constexpr signal_set reads = signal::logits;
  double temperature = 1, gamma = 1.5;
  std::int32_t ignore_index = -100;
  divisor over = divisor::rows;

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>& given,
                  const sink<A, backend_of<E>, G>& out, gradient_holds before = gradient_holds::a_sum) const {
    expects(temperature > 0, [&] { return message("normalised_kd: temperature ", temperature, ", must be positive"); });
    const detail::label_rows<backend_of<E>> labels{given.labels, ignore_index};
    const auto rows = [&](double factor) {
      return detail::rows_of_both("normalised_kd", student, teacher, given, out, factor / count_of(out.per, over));
    };
    detail::teacher_weighted_rows(backend_of<E>{}, on, "normalised_kd", labels, detail::with_gradient(rows(1), before));
    detail::decoupled_rows(backend_of<E>{}, on, "normalised_kd",
                           detail::decoupled_terms<A, soft_label_cross_entropy, backend_of<E>>{
                               labels, static_cast<A>(temperature), A(0), static_cast<A>(gamma), {}},
                           rows(temperature * temperature));
  }
};

}  // namespace limbeck
