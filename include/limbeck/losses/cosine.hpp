// Compares the directions of hidden states of mapped layers.
#pragma once

#include <limits>
#include <utility>

#include "limbeck/losses/directions.hpp"
#include "limbeck/losses/hidden_states.hpp"
#include "limbeck/mappings/uniform.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/directions_cuda.hpp"
#else
#include "limbeck/losses/directions_cpu.hpp"
#include "limbeck/losses/hidden_states_cpu.hpp"
#endif

namespace limbeck {

using cosine_options = state_options;

namespace detail {

/// 1 - cos of a row, and its gradient; 1 without a gradient where a row is 0 everywhere.
struct cosine_distance {
  static constexpr bool compares_directions = true;
  static constexpr index most_rows = std::numeric_limits<index>::max();  ///< of a sample
  row_output how;

  template <class A>
  [[nodiscard]] LIMBECK_HD static A of(const direction_gap<A>& gap) {
    return gap.both ? gap.half_square : A(1) + A(0) * gap.half_square;  // a NaN stays one
  }
  [[nodiscard]] bool writes() const { return how != row_output::add; }
  [[nodiscard]] static cosine_distance adding() { return {row_output::add}; }
  template <class S, class U, class A, class G>
  [[nodiscard]] A operator()(const S* student, const U* teacher, index width, A factor, G* gradient) const {
    return of(compare_directions(student, teacher, width, factor, gradient, how));
  }
};

}  // namespace detail

/// value[sample] += the sum over layer pairs and valid tokens of 1 - cos(student's state, projected, teacher's),
/// divided by the count of `over` (Sanh et al. 2019, arXiv:1910.01108, section 2: their last layers). A state of zeros
/// counts 1 and has no gradient. Without a projection the widths must agree. Each model's rows are where its own
/// signals say; the columns of a row lie side by side. Samples of weight 0 are skipped, garbage and all. Throws
/// contract_error where widths, samples or depths do not fit.
template <mapping_policy Map = uniform_mapping, class Projection = no_projection>
struct cosine_loss {
  static constexpr signal_set reads = signal::hidden;
  Map map;
  Projection projection;
  cosine_options options;

  explicit constexpr cosine_loss(Map map = {}, Projection projection = {}, cosine_options options = {})
      : map(std::move(map)), projection(projection), options(options) {}

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>&,
                  const sink<A, backend_of<E>, G>& out) const {
    detail::layer_outputs outputs(options.states);
    detail::for_each_state_pair(
        "cosine_loss", map, projection, student, teacher, out,
        [&](auto mine, auto theirs, auto gradient, layer_pair p) {
          const detail::cosine_distance distance{detail::output_of(outputs, p.student, projection, gradient)};
          detail::compare_states(backend_of<E>{}, on, distance, projection, options.mask, student.rows, teacher.rows,
                                 mine, theirs, gradient, count_of(out.per, options.over) / p.weight, out);
        });
  }
};

}  // namespace limbeck
