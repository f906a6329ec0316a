// Soft targets from a teacher that kept the likeliest classes of each row, and what it keeps.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/kept_rows.hpp"
#include "limbeck/losses/soft_target.hpp"
#if defined(__CUDACC__)  // vectors of the host are none of nvcc's business
#include "limbeck/losses/top_k_cuda.hpp"
#else
#include "limbeck/losses/top_k_cpu.hpp"
#endif

namespace limbeck {
namespace detail {

/// Throws contract_error unless the teacher's classes come with all that the mode needs, rise in every row and are the
/// student's. A device's classes are not looked at.
template <class U, backend B>
void expects_kept(const kept_rows<U, B>& teacher, top_k_mode mode, index rows, index classes) {
  expects_same_shape("top_k_soft_target", "logits of the kept classes", teacher.classes, teacher.logits);
  expects(teacher.classes.extent(0) == rows && teacher.classes.extent(1) > 0, [&] {
    return message("top_k_soft_target: kept classes ", shape_text(teacher.classes), " for ", rows, " rows");
  });
  expects(mode != top_k_mode::tail_bucket || teacher.log_rest.extent(0) == rows, [&] {
    return message("top_k_soft_target: ", teacher.log_rest.extent(0), " values of log_rest for ", rows,
                   " rows; tail_bucket needs them");
  });
  expects(teacher.classes.extent(1) <= classes,
          [&] { return message("top_k_soft_target: ", teacher.classes.extent(1), " kept classes of ", classes); });
  if constexpr (std::same_as<B, cpu>)
    for (index r = 0; r < rows; ++r)
      for (index j = 0; j < teacher.classes.extent(1); ++j)
        expects(teacher.classes(r, j) < classes && teacher.classes(r, j) > (j == 0 ? -1 : teacher.classes(r, j - 1)),
                [&] {
                  return message("top_k_soft_target: row ", r, " keeps class ", teacher.classes(r, j), " at place ", j,
                                 ", expected rising classes below ", classes);
                });
}

}  // namespace detail

/// soft_target of a teacher whose signals hold kept_classes [rows, k] with their logits [rows, k], and log_rest [rows]
/// at this temperature: what keep_top_k() makes. tail_bucket adds the probability of the other classes as one class on
/// both sides; its gradient reaches all of them: the divergence of both distributions with those classes merged, which
/// is not above that of all classes for KL and every other f-divergence. A teacher that kept every class, or has no
/// kept_classes, is a soft_target bit for bit. Throws contract_error as soft_target does, and where kept classes do not
/// rise or are none of the student's; on a device such a row gets NaN for a value, and no gradient.
template <separable D = forward_kl>
struct top_k_soft_target {
  static constexpr signal_set reads = signal::logits;
  double temperature = 1;
  bool t_squared = true;
  divisor over = divisor::rows;
  top_k_mode mode = top_k_mode::tail_bucket;
  [[no_unique_address]] D divergence{};

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>& given,
                  const sink<A, backend_of<E>, G>& out, gradient_holds before = gradient_holds::a_sum) const {
    using place = backend_of<E>;
    const index classes = valid_classes(student), rows = student.logits.extent(0);
    const detail::kept_rows<U, place> kept{teacher.kept_classes, teacher.logits, teacher.log_rest};
    if (!kept.classes.empty()) detail::expects_kept(kept, mode, rows, classes);
    if (kept.classes.empty() || kept.classes.extent(1) == classes) {
      const soft_target<D> whole{temperature, t_squared, over, divergence};
      signals<const U, place> shown = teacher;
      if (!kept.classes.empty()) shown.valid_classes = student.valid_classes;
      return whole(on, student, shown, given, out, before);
    }
    expects(temperature > 0,
            [&] { return message("top_k_soft_target: temperature ", temperature, ", must be positive"); });
    if constexpr (requires { divergence.check(); }) divergence.check();
    const double factor = (t_squared ? temperature * temperature : 1) / count_of(out.per, over);
    const auto all = detail::with_gradient(
        detail::rows_of<S, U, A, place, G>("top_k_soft_target", student, given, out, factor), before);
    detail::top_k_rows(place{}, on, divergence, static_cast<A>(temperature), mode, kept, all);
  }
};
using top_k_kl = top_k_soft_target<forward_kl>;

/// The k largest logits of each row in the order of their classes (of equal ones the first), and log of the sum of
/// exp(logits / temperature) over the others: -infinity where there are none. Logits [rows, columns], of which
/// valid_classes count; classes and kept [rows, k]; log_rest [rows], in double from the logits as they are. Rows are
/// split over the threads. A NaN counts as the largest. Throws contract_error where shapes differ, k is not from 1 to
/// classes, or temperature <= 0.
template <class U, class T>
void keep_top_k(const executor auto& on, const view<const U, 2>& logits, double temperature,
                const view<std::int32_t, 2>& classes, const view<T, 2>& kept, const view<T, 1>& log_rest,
                index valid_classes = 0) {
  const index rows = logits.extent(0), all = valid_classes > 0 ? valid_classes : logits.extent(1), k = kept.extent(1);
  expects_same_shape("keep_top_k", "classes", kept, classes);
  expects(kept.extent(0) == rows && log_rest.extent(0) == rows && k > 0 && k <= all && all <= logits.extent(1), [&] {
    return message("keep_top_k: ", shape_text(kept), " and ", log_rest.extent(0), " rests of logits ",
                   shape_text(logits), " with ", all, " valid classes");
  });
  expects(temperature > 0, [&] { return message("keep_top_k: temperature ", temperature, ", must be positive"); });
  parallel_for(on.threads, rows, (1 << 14) / all + 1, [&](index begin, index end) {
    struct scratch {};
    std::int32_t* const order = thread_scratch<scratch, std::int32_t>(all);
    for (index r = begin; r < end; ++r) {
      constexpr double infinity = std::numeric_limits<double>::infinity();
      const auto number = [&](std::int32_t c) {
        const auto z = static_cast<double>(logits(r, c));
        return z == z ? z : infinity;
      };
      for (index c = 0; c < all; ++c) order[c] = static_cast<std::int32_t>(c);
      const auto before = [&](std::int32_t a, std::int32_t b) {
        return number(a) > number(b) || (number(a) == number(b) && a < b);
      };
      std::nth_element(order, order + k - 1, order + all, before);
      double top = -infinity, sum = 0;
      for (index c = k; c < all; ++c) top = std::max(top, number(order[c]));
      for (index c = k; c < all; ++c) sum += std::exp((number(order[c]) - top) / temperature);
      log_rest(r) = static_cast<T>(top == -infinity ? top : top / temperature + std::log(sum));
      std::sort(order, order + k);
      for (index j = 0; j < k; ++j) {
        classes(r, j) = order[j];
        kept(r, j) = static_cast<T>(logits(r, order[j]));
      }
    }
  });
}

}  // namespace limbeck
