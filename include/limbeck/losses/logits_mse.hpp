// Compares raw class scores by their squared distance.
#pragma once

#include "limbeck/losses/logit_rows.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/logits_mse_cuda.hpp"
#else
#include "limbeck/losses/logits_mse_cpu.hpp"
#endif

namespace limbeck {

/// value[sample of row] += sum over classes of ((z - teacher_scale * z_t) / temperature)^2, divided by the caller's
/// count of `over` (Ba and Caruana 2014, arXiv:1312.6184, equation 2). For the mean over rows and classes, the natural
/// one, set per.elements to rows * classes; divisor::rows divides by rows alone, which gives a number `classes` times
/// as large. Logits: [rows, classes]; rows of weight 0 and columns behind valid_classes are skipped. Throws
/// contract_error where the shapes or numbers of valid classes differ, or temperature <= 0.
struct logits_mse {
  static constexpr signal_set reads = signal::logits;
  static constexpr bool in_place = true;
  double temperature = 1;  ///< divides both; there is no factor temperature^2
  divisor over = divisor::elements;
  double teacher_scale = 1;  ///< as annealing has it

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>& given,
                  const sink<A, backend_of<E>, G>& out, gradient_holds before = gradient_holds::a_sum) const {
    detail::logits_mse_rows(backend_of<E>{}, on, static_cast<A>(temperature), static_cast<A>(teacher_scale),
                            rows(student, teacher, given, out, before));
  }
  /// The same on the host, checked and not yet done: for `sum`.
  template <class S, class U, class A, class G>
  [[nodiscard]] auto work(const signals<const S>& student, const signals<const U>& teacher, const targets<A>& given,
                          const sink<A, cpu, G>& out, gradient_holds before) const {
    return logits_mse_work(static_cast<A>(temperature), static_cast<A>(teacher_scale),
                           rows(student, teacher, given, out, before));
  }

 private:
  template <class S, class U, class A, backend B, class G>
  [[nodiscard]] auto rows(const signals<const S, B>& student, const signals<const U, B>& teacher,
                          const targets<A, B>& given, const sink<A, B, G>& out, gradient_holds before) const {
    expects(temperature > 0, [&] { return message("logits_mse: temperature ", temperature, ", must be positive"); });
    return detail::with_gradient(
        detail::rows_of_both("logits_mse", student, teacher, given, out, 1 / count_of(out.per, over)), before);
  }
};

}  // namespace limbeck
