// Compares the teacher's and the student's softened class scores.
#pragma once

#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/logit_rows.hpp"
#if defined(__CUDACC__)  // vectors of the host are none of nvcc's business
#include "limbeck/losses/soft_target_cuda.hpp"
#else
#include "limbeck/losses/soft_target_cpu.hpp"
#endif

namespace limbeck {

/// value[sample of row] += temperature^2 * sum over classes of the divergence of softmax(logits / temperature),
/// divided by the caller's count of `over`. The square keeps the gradient's size (Hinton et al. 2015, arXiv:1503.02531,
/// section 2). Logits: [rows, classes]; row_sample says whose row it is. Rows of weight 0 are skipped; so are columns
/// behind valid_classes. Logits of -infinity rule a class out; each row needs one that is not ruled out.
/// Allocates nothing after the first call of a size, waits for nothing. Throws contract_error where the shapes or
/// numbers of valid classes differ, rows of a sample do not follow each other, or temperature <= 0.
template <separable D = forward_kl>
struct soft_target {
  static constexpr signal_set reads = signal::logits;
  static constexpr bool in_place = true;
  double temperature = 1;
  bool t_squared = true;  ///< false: no factor temperature^2, as in TinyBERT's code
  divisor over = divisor::rows;
  [[no_unique_address]] D divergence{};

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>& given,
                  const sink<A, backend_of<E>, G>& out, gradient_holds before = gradient_holds::a_sum) const {
    detail::soft_target_rows(backend_of<E>{}, on, divergence, static_cast<A>(temperature),
                             rows(student, teacher, given, out, before));
  }
  /// The same on the host, checked and not yet done: for `sum`.
  template <class S, class U, class A, class G>
  [[nodiscard]] auto work(const signals<const S>& student, const signals<const U>& teacher, const targets<A>& given,
                          const sink<A, cpu, G>& out, gradient_holds before) const {
    return soft_target_work(divergence, static_cast<A>(temperature), rows(student, teacher, given, out, before));
  }

 private:
  template <class S, class U, class A, backend B, class G>
  [[nodiscard]] auto rows(const signals<const S, B>& student, const signals<const U, B>& teacher,
                          const targets<A, B>& given, const sink<A, B, G>& out, gradient_holds before) const {
    expects(temperature > 0, [&] { return message("soft_target: temperature ", temperature, ", must be positive"); });
    if constexpr (requires { divergence.check(); }) divergence.check();
    const double factor = (t_squared ? temperature * temperature : 1) / count_of(out.per, over);
    return detail::with_gradient(detail::rows_of_both("soft_target", student, teacher, given, out, factor), before);
  }
};
using soft_target_kl = soft_target<forward_kl>;  // aliases, so that {.temperature = 2} works in clang 14
using soft_target_reverse_kl = soft_target<reverse_kl>;

}  // namespace limbeck
