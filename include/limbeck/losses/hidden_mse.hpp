// Compares hidden states of mapped layers, and embeddings.
#pragma once

#include "limbeck/losses/hidden_mse_cpu.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/projection.hpp"
#include "limbeck/losses/representation.hpp"
#include "limbeck/mappings/uniform.hpp"

namespace limbeck {

struct hidden_mse_options {
  mask_mode mask = mask_mode::exact;
  divisor over = divisor::tokens;
};

/// value[sample] += the sum over layer pairs and valid tokens of the mean over the teacher's width of the squared
/// difference between the student's state, projected, and the teacher's (Jiao et al. 2020, arXiv:1909.10351, equation
/// 8), divided by the count of `over`. Without a projection the widths must agree. Throws contract_error where widths,
/// samples or depths do not fit.
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
    detail::expects_same_samples("hidden_mse", student, teacher);
    map(depths{student.hidden.size(), teacher.hidden.size()}, [&](layer_pair p) {
      const auto& gradient = out.gradient.hidden;
      detail::state_mse(backend_of<E>{}, on, "hidden_mse", projection, options.mask, student.rows,
                        detail::layer_of("hidden_mse", "student", student.hidden, p.student),
                        detail::layer_of("hidden_mse", "teacher", teacher.hidden, p.teacher),
                        gradient.empty() ? view<G, 2, backend_of<E>>{} : gradient[p.student],
                        p.weight / count_of(out.per, options.over), out);
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
    detail::expects_same_samples("embedding_mse", student, teacher);
    detail::state_mse(backend_of<E>{}, on, "embedding_mse", projection, options.mask, student.rows, student.embeddings,
                      teacher.embeddings, out.gradient.embeddings, 1 / count_of(out.per, options.over), out);
  }
};

}  // namespace limbeck
