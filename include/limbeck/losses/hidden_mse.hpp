// Compares hidden states of mapped layers, and embeddings.
#pragma once

#include "limbeck/losses/hidden_states.hpp"
#include "limbeck/losses/squared_difference.hpp"
#include "limbeck/mappings/uniform.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/hidden_states_cuda.hpp"
#else
#include "limbeck/losses/hidden_states_cpu.hpp"
#endif

namespace limbeck {

using hidden_mse_options = state_options;

namespace detail {

/// The sum over a row of the squared differences, and its gradient.
struct squared_row_error {
  using difference = squared_difference<false>;  ///< of two numbers: a device sums up its squares
  row_output how;

  [[nodiscard]] constexpr bool writes() const { return how != row_output::add; }
  [[nodiscard]] static constexpr squared_row_error adding() { return {row_output::add}; }
  template <class S, class U, class A, class G>
  [[nodiscard]] A operator()(const S* student, const U* teacher, index width, A factor, G* gradient) const {
    return squared_error(mask_mode::exact, student, teacher, width, factor, gradient, how);
  }
};
/// What the squared differences are divided by, so that a row's mean over the teacher's width counts `share`.
template <class U, backend B>
[[nodiscard]] double mean_of_width(view<const U, 2, B> teacher, double share) {
  return static_cast<double>(teacher.extent(1)) / share;
}

}  // namespace detail

/// value[sample] += the sum over layer pairs and valid tokens of the mean over the teacher's width of the squared
/// difference between the student's state, projected, and the teacher's (Jiao et al. 2020, arXiv:1909.10351, equation
/// 8), divided by the count of `over`. Without a projection the widths must agree. Each model's rows are where its own
/// signals say; the columns of a row lie side by side. Samples of weight 0 are skipped, garbage and all. Throws
/// contract_error where widths, samples or depths do not fit.
template <mapping_policy Map = uniform_mapping, class Projection = no_projection>
struct hidden_mse {
  static constexpr signal_set reads = signal::hidden;
  Map map;
  Projection projection;
  hidden_mse_options options;

  explicit constexpr hidden_mse(Map map = {}, Projection projection = {}, hidden_mse_options options = {})
      : map(std::move(map)), projection(projection), options(options) {}

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>&,
                  const sink<A, backend_of<E>, G>& out) const {
    detail::layer_outputs outputs(options.states);
    detail::for_each_state_pair(
        "hidden_mse", map, projection, student, teacher, out, [&](auto mine, auto theirs, auto gradient, layer_pair p) {
          const detail::squared_row_error error{detail::output_of(outputs, p.student, projection, gradient)};
          detail::compare_states(backend_of<E>{}, on, error, projection, options.mask, student.rows, teacher.rows, mine,
                                 theirs, gradient,
                                 detail::mean_of_width(theirs, p.weight / count_of(out.per, options.over)), out);
        });
  }
};

/// The same for the embedding output (Jiao et al. 2020, equation 9), which is not a layer and needs no mapping.
template <class Projection = no_projection>
struct embedding_mse {
  static constexpr signal_set reads = signal::embeddings;
  Projection projection;
  hidden_mse_options options;

  explicit constexpr embedding_mse(Projection projection = {}, hidden_mse_options options = {})
      : projection(projection), options(options) {}

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>&,
                  const sink<A, backend_of<E>, G>& out) const {
    detail::expects_same_samples("embedding_mse", student, teacher, out);
    detail::expects_states("embedding_mse", projection, student.embeddings, teacher.embeddings,
                           out.gradient.embeddings);
    detail::layer_outputs outputs(options.states);
    const detail::squared_row_error error{detail::output_of(outputs, 0, projection, out.gradient.embeddings)};
    detail::compare_states(backend_of<E>{}, on, error, projection, options.mask, student.rows, teacher.rows,
                           student.embeddings, teacher.embeddings, out.gradient.embeddings,
                           detail::mean_of_width(teacher.embeddings, 1 / count_of(out.per, options.over)), out);
  }
};

}  // namespace limbeck
