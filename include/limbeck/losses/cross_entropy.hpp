// Compares the student's class scores with the labels that the data give.
#pragma once

#include "limbeck/losses/label_rows.hpp"
#include "limbeck/losses/logit_rows.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/cross_entropy_cuda.hpp"
#else
#include "limbeck/losses/cross_entropy_cpu.hpp"
#endif

namespace limbeck {

/// value[sample of row] -= sum over classes of t * log(softmax(logits)), t being 1 - label_smoothing at the label plus
/// label_smoothing / classes everywhere (Szegedy et al. 2016, arXiv:1512.00567, section 7), divided by the caller's
/// count of `over`. Rows whose label is ignore_index, or whose weight is 0, are skipped. Logits: [rows, classes];
/// labels: [rows]. Columns behind valid_classes are not touched. Reads nothing of the teacher. Throws contract_error
/// where shapes differ, label_smoothing is not in 0 .. 1, or, on the host, a label is neither a class nor ignore_index
/// (on a device such a row's value is NaN: nobody looks at it without waiting).
struct cross_entropy {
  static constexpr signal_set reads = signal::logits;
  static constexpr bool in_place = true;
  double label_smoothing = 0;
  std::int32_t ignore_index = -100;
  divisor over = divisor::rows;

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student, const signals<const U, backend_of<E>>&,
                  const targets<A, backend_of<E>>& given, const sink<A, backend_of<E>, G>& out,
                  gradient_holds before = gradient_holds::a_sum) const {
    detail::cross_entropy_rows(backend_of<E>{}, on, detail::label_rows<backend_of<E>>{given.labels, ignore_index},
                               static_cast<A>(label_smoothing), rows(student, given, out, before));
  }
  /// The same on the host, checked and not yet done: for `sum`.
  template <class S, class U, class A, class G>
  [[nodiscard]] auto work(const signals<const S>& student, const signals<const U>&, const targets<A>& given,
                          const sink<A, cpu, G>& out, gradient_holds before) const {
    return cross_entropy_work(detail::label_rows<cpu>{given.labels, ignore_index}, static_cast<A>(label_smoothing),
                              rows(student, given, out, before));
  }

 private:
  template <class S, class A, backend B, class G>
  [[nodiscard]] auto rows(const signals<const S, B>& student, const targets<A, B>& given, const sink<A, B, G>& out,
                          gradient_holds before) const {
    expects(label_smoothing >= 0 && label_smoothing <= 1,
            [&] { return message("cross_entropy: label_smoothing ", label_smoothing, ", must be in 0 .. 1"); });
    return detail::with_gradient(
        detail::rows_of<S, S>("cross_entropy", student, given, out, 1 / count_of(out.per, over)), before);
  }
};

}  // namespace limbeck
