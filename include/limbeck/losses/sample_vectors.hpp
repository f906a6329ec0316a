// One vector for each sample, made of its tokens' hidden states: what losses on batches of vectors compare.
#pragma once

#include <cstddef>

#include "limbeck/losses/hidden_states.hpp"

namespace limbeck {

/// How a sample's states become one vector.
enum class token_pooling {
  first_token,
  mean_of_tokens,  ///< of the valid ones
};

inline constexpr index last_layer = -1;

/// Which vectors of student and teacher a loss compares. Layers count from 0.
struct sample_vectors {
  token_pooling by = token_pooling::first_token;
  index student_layer = last_layer, teacher_layer = last_layer;
};

namespace detail {

/// The layers whose vectors are compared, and where their samples lie; the gradient is empty where it is not wanted.
template <class S, class U, class G, backend B>
struct vector_layers {
  view<const S, 2, B> student;
  view<const U, 2, B> teacher;
  view<G, 2, B> gradient;
  view<const sample_rows, 1, B> rows, teacher_rows;
};

/// Throws contract_error, naming the loss, where samples, layers or widths do not fit.
template <class Widths, class S, class U, class A, backend B, class G>
[[nodiscard]] vector_layers<S, U, G, B> layers_of_vectors(const char* loss, const sample_vectors& of,
                                                          const Widths& widths, const signals<const S, B>& student,
                                                          const signals<const U, B>& teacher,
                                                          const sink<A, B, G>& out) {
  expects_same_samples(loss, student, teacher, out);
  const auto numbered = [](index layer, std::size_t layers) {
    return layer == last_layer ? layers - std::size_t(layers > 0) : static_cast<std::size_t>(layer);
  };
  const std::size_t layer = numbered(of.student_layer, student.hidden.size());
  const vector_layers<S, U, G, B> found{
      layer_of(loss, "student", student.hidden, layer),
      layer_of(loss, "teacher", teacher.hidden, numbered(of.teacher_layer, teacher.hidden.size())),
      hidden_gradient(out, layer), student.rows, teacher.rows};
  expects_states(loss, widths, found.student, found.teacher, found.gradient);
  return found;
}

}  // namespace detail
}  // namespace limbeck
