// Compares class scores whose rows were brought to mean 0 and variance 1.
#pragma once

#include "limbeck/losses/logit_rows.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/standardised_mse_cuda.hpp"
#else
#include "limbeck/losses/standardised_mse_cpu.hpp"
#endif

namespace limbeck {

/// value[sample of row] += sum over classes of (s - s_t)^2, s being the row's logits less their mean over their
/// standard deviation (of the population; a row of equal logits is all 0 and gets no gradient), divided by the caller's
/// count of `over`. The standardisation is that of Sun et al. 2024, arXiv:2403.01734, section 4. Rows of weight 0 and
/// columns behind valid_classes are skipped; logits must be finite. Throws contract_error where the shapes or numbers
/// of valid classes differ.
struct standardised_logits_mse {
  static constexpr signal_set reads = signal::logits;
  divisor over = divisor::elements;

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>& given,
                  const sink<A, backend_of<E>, G>& out, gradient_holds before = gradient_holds::a_sum) const {
    detail::standardised_mse_rows(
        backend_of<E>{}, on,
        detail::with_gradient(
            detail::rows_of_both("standardised_logits_mse", student, teacher, given, out, 1 / count_of(out.per, over)),
            before));
  }
};

}  // namespace limbeck
