// Compares how the vectors of a batch lie to one another: distances of pairs, angles of triples.
#pragma once

#include "limbeck/losses/sample_vectors.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/relational_cuda.hpp"
#else
#include "limbeck/losses/relational_cpu.hpp"
#endif

namespace limbeck {

/// Relational knowledge distillation by distances (Park et al. 2019, arXiv:1904.05068, section 3.2.1): value[sample i]
/// += the mean over the batch's samples j, i itself among them, of huber(d_ij - d_ij of the teacher), divided by the
/// count of `over`; d_ij is the distance of the vectors of i and j over the mean of those that are not 0. With weights
/// of 1 and the batch's count of samples the values sum to the mean over all pairs. A loss of the batch: it does not
/// come out the same when the batch is split. Samples of weight 0 and those without a token are left out of the batch.
/// The widths need not agree. Throws contract_error where samples or layers do not fit, or delta <= 0.
struct relational_distance {
  static constexpr signal_set reads = signal::hidden;
  static constexpr bool of_batch = true;
  sample_vectors of{};
  double delta = 1;  ///< from where on Huber's loss is a straight line
  divisor over = divisor::samples;

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>&,
                  const sink<A, backend_of<E>, G>& out) const {
    expects(delta > 0, [&] { return message("relational_distance: delta ", delta, ", must be positive"); });
    detail::relate_distances(
        backend_of<E>{}, on, of.by,
        detail::layers_of_vectors("relational_distance", of, detail::any_widths{}, student, teacher, out), delta,
        count_of(out.per, over), out);
  }
};

/// Relational knowledge distillation by angles (Park et al. 2019, section 3.2.2): value[sample i] += the mean over all
/// pairs (j, k) of the batch's samples of huber(a_ijk - a_ijk of the teacher), divided by the count of `over`; a_ijk is
/// the cosine of the angle at i between the directions to j and to k, 0 where one of them is none. With weights of 1
/// and the batch's count of samples the values sum to the mean over all triples. A loss of the batch, of the same rules
/// as relational_distance; costs samples^2 * width + samples^3, and room for 6 * samples^2 doubles that is kept from
/// call to call.
struct relational_angle {
  static constexpr signal_set reads = signal::hidden;
  static constexpr bool of_batch = true;
  sample_vectors of{};
  double delta = 1;  ///< from where on Huber's loss is a straight line
  divisor over = divisor::samples;

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>&,
                  const sink<A, backend_of<E>, G>& out) const {
    expects(delta > 0, [&] { return message("relational_angle: delta ", delta, ", must be positive"); });
    detail::relate_angles(
        backend_of<E>{}, on, of.by,
        detail::layers_of_vectors("relational_angle", of, detail::any_widths{}, student, teacher, out), delta,
        count_of(out.per, over), out);
  }
};

}  // namespace limbeck
