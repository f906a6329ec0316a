// Compares hidden states with a mixture of the teacher's layers that each state chooses for itself.
#pragma once

#include <string>
#include <utility>

#include "limbeck/losses/hidden_states.hpp"
#include "limbeck/losses/layer_attention.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/projection.hpp"
#include "limbeck/mappings/block.hpp"
#if defined(__CUDACC__)
#include "limbeck/losses/alp_kd_cuda.hpp"
#else
#include "limbeck/losses/alp_kd_cpu.hpp"
#endif

namespace limbeck {

struct alp_kd_options {
  double scale = 1;            ///< of the products that a state chooses by; 1 / sqrt(width) keeps them from one layer
  bool attention_grad = true;  ///< false: the layers' weights count as constants
  token_choice tokens = token_choice::first;
  divisor over = divisor::samples;
};

/// value[sample] += the sum over student layers, and over the sample's first or every valid token, of the mean over the
/// teacher's width of (s - c)^2, divided by the count of `over`. s: the student's state, projected; c: the mean of the
/// teacher's states t_i at that token with the weights softmax over i of scale * <s, t_i> (Passban et al. 2021,
/// arXiv:2012.14022, section 3). A student layer looks at the teacher layers that the mapping pairs it with, all unless
/// told (block_mapping: its block); weights of pairs multiply those of the softmax, equal ones do nothing. The columns
/// of a row lie side by side. Samples of weight 0 are skipped, garbage and all. Throws contract_error where widths,
/// samples, depths or weights do not fit.
template <mapping_policy Map = all_layers_mapping, class Projection = no_projection>
struct alp_kd {
  static constexpr signal_set reads = signal::hidden;
  Map map;
  Projection projection;
  alp_kd_options options;

  explicit constexpr alp_kd(Map map = {}, Projection projection = {}, alp_kd_options options = {})
      : map(std::move(map)), projection(projection), options(options) {}

  template <launchable E, class S, class U, class A, class G>
  void operator()(const E& on, const signals<const S, backend_of<E>>& student,
                  const signals<const U, backend_of<E>>& teacher, const targets<A, backend_of<E>>&,
                  const sink<A, backend_of<E>, G>& out) const {
    detail::expects_state_pairs("alp_kd", map, projection, student, teacher, out);
    const depths layers{student.hidden.size(), teacher.hidden.size()};
    for (std::size_t m = 0; m < layers.student; ++m) (void)detail::layers_attended("alp_kd", map, layers, m);
    const auto rows =
        detail::rows_attending(backend_of<E>{}, student, teacher, options.tokens, count_of(out.per, options.over), out);
    for (std::size_t m = 0; m < layers.student; ++m) {
      const auto attended = detail::layers_attended("alp_kd", map, layers, m);
      if (attended.count > 0)
        detail::attended_state_mse(backend_of<E>{}, on, projection, attended, options.scale, options.attention_grad,
                                   rows, student.hidden[m], teacher.hidden, detail::hidden_gradient(out, m), out);
    }
  }
};

}  // namespace limbeck
