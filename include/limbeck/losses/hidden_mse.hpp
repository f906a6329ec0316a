// Compares hidden states of mapped layers, and embeddings.
#pragma once

#include <string>

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

namespace detail {

inline void expects_widths(const char* loss, const no_projection&, index student, index teacher) {
  expects(student == teacher, [&] {
    return message(loss, ": the student is ", student, " wide, the teacher ", teacher, "; give it a linear_projection");
  });
}
template <class T, backend B>
void expects_widths(const char* loss, const linear_projection<T, B>& p, index student, index teacher) {
  expects(p.weight.extent(0) == teacher && p.weight.extent(1) == student, [&] {
    return message(loss, ": projection ", shape_text(p.weight), ", teacher's width ", teacher, ", student's width ",
                   student);
  });
}

/// Throws contract_error unless a student's states can be compared with a teacher's, and have such a gradient.
template <class Projection, class S, class U, class G, backend B>
void expects_states(const char* loss, const Projection& projection, view<const S, 2, B> student,
                    view<const U, 2, B> teacher, view<G, 2, B> gradient) {
  expects(student.extent(1) > 0 && teacher.extent(1) > 0, [&] {
    return message(loss, ": the ", (student.extent(1) > 0 ? "teacher" : "student"), "'s pass kept no states");
  });
  expects_widths(loss, projection, student.extent(1), teacher.extent(1));
  const bool fits = gradient.extent(0) == student.extent(0) && gradient.extent(1) == student.extent(1);
  expects(gradient.empty() || fits,
          [&] { return message(loss, ": gradient ", shape_text(gradient), ", student ", shape_text(student)); });
  const auto gapless = [](const auto& v) { return v.stride(1) == 1 || v.extent(1) == 1 || v.empty(); };
  expects(gapless(student) && gapless(teacher) && gapless(gradient),
          [&] { return message(loss, ": the columns of a state must lie side by side"); });
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
    detail::expects_same_samples("hidden_mse", student, teacher, out);
    const depths layers{student.hidden.size(), teacher.hidden.size()};
    const auto gradient = [&](std::size_t layer) {
      return out.gradient.hidden.empty() ? view<G, 2, backend_of<E>>{} : out.gradient.hidden[layer];
    };
    map(layers, [&](layer_pair p) {
      detail::expects_states("hidden_mse", projection,
                             detail::layer_of("hidden_mse", "student", student.hidden, p.student),
                             detail::layer_of("hidden_mse", "teacher", teacher.hidden, p.teacher), gradient(p.student));
    });
    map(layers, [&](layer_pair p) {
      detail::state_mse(backend_of<E>{}, on, projection, options.mask, student.rows, teacher.rows,
                        student.hidden[p.student], teacher.hidden[p.teacher], gradient(p.student),
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
    detail::expects_same_samples("embedding_mse", student, teacher, out);
    detail::expects_states("embedding_mse", projection, student.embeddings, teacher.embeddings,
                           out.gradient.embeddings);
    detail::state_mse(backend_of<E>{}, on, projection, options.mask, student.rows, teacher.rows, student.embeddings,
                      teacher.embeddings, out.gradient.embeddings, 1 / count_of(out.per, options.over), out);
  }
};

}  // namespace limbeck
