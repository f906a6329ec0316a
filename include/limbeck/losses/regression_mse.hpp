// Compares a regressor's outputs with the scores that the data give.
#pragma once

#include "limbeck/losses/logit_rows.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/logits_mse_cuda.hpp"
#else
#include "limbeck/losses/logits_mse_cpu.hpp"
#endif

namespace limbeck {

/// value[sample of row] += (output - score)^2, divided by the caller's count of `over`. Logits: [rows, 1], the outputs;
/// scores: [rows]. Rows of weight 0 are skipped. Reads nothing of the teacher: logits_mse compares with its outputs.
/// Throws contract_error where there is more than one output a row, or another number of scores: nothing is broadcast.
struct regression_mse {
  static constexpr signal_set reads = signal::logits;
  divisor over = divisor::rows;

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student, const signals<const U, backend_of<E>>&,
                  const targets<A, backend_of<E>>& given, const sink<A, backend_of<E>, G>& out) const {
    const auto rows = detail::rows_of<S, S>("regression_mse", student, given, out, 1 / count_of(out.per, over));
    expects(rows.classes == 1 && given.scores.extent(0) == rows.count(), [&] {
      return message("regression_mse: outputs [", rows.count(), ", ", rows.classes, "], scores ",
                     shape_text(given.scores), "; one output for each score is wanted");
    });
    detail::regression_rows(backend_of<E>{}, on, given.scores, rows);
  }
};

}  // namespace limbeck
