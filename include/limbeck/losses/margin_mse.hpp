// Compares how far two rankers put a relevant passage before the others.
#pragma once

#include "limbeck/losses/label_rows.hpp"
#if defined(__CUDACC__)  // vectors of the host are none of nvcc's business
#include "limbeck/losses/margin_mse_cuda.hpp"
#else
#include "limbeck/losses/margin_mse_cpu.hpp"
#endif

namespace limbeck {

/// value[sample of row] += the mean over the other candidates c of ((z_0 - z_c) - (z_t0 - z_tc))^2, divided by the
/// caller's count of `over` (Margin-MSE, Hofstaetter et al. 2020, arXiv:2010.02666, section 3.2, which has one other).
/// Logits: [rows, candidates], a query's scores; candidate 0 is the relevant one, or the row's label where there are
/// labels. Candidates that the teacher gives -infinity and those behind valid_classes are none; rows of weight 0, with
/// an ignored label or without a relevant candidate are skipped. Throws contract_error where the shapes or numbers of
/// valid classes differ, or a label is no candidate; on a device that row gets NaN for a value, and no gradient.
struct margin_mse {
  static constexpr signal_set reads = signal::logits;
  std::int32_t ignore_index = -100;
  divisor over = divisor::rows;

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>& given,
                  const sink<A, backend_of<E>, G>& out, gradient_holds before = gradient_holds::a_sum) const {
    const auto rows = detail::rows_of_both("margin_mse", student, teacher, given, out, 1 / count_of(out.per, over));
    const detail::label_rows<backend_of<E>> relevant{given.labels, ignore_index};
    if (!given.labels.empty()) detail::expects_labels("margin_mse", rows, relevant);
    detail::margin_rows(backend_of<E>{}, on, relevant, detail::with_gradient(rows, before));
  }
};

}  // namespace limbeck
