// What losses on hidden states of mapped layers share: which states are compared, and whether they fit.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>

#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/projection.hpp"
#include "limbeck/losses/representation.hpp"
#include "limbeck/losses/row_output.hpp"
#include "limbeck/mappings/mapping_policy.hpp"

namespace limbeck {

/// Of a loss that compares states token by token.
struct state_options {
  mask_mode mask = mask_mode::exact;
  divisor over = divisor::tokens;
  /// What lies in the gradients of the states that are compared. With `anything` the rows of all samples are written
  /// there, zeros where nothing counts, and not read: for the first term that has such a gradient, in buffers of your
  /// own. Its factor must never be 0: such a term is not called. On the host.
  gradient_holds states = gradient_holds::a_sum;
};

namespace detail {

/// A loss that takes no projection: the widths must agree, or need not.
struct equal_widths {};
struct any_widths {};

inline void expects_widths(const char* loss, const no_projection&, index student, index teacher) {
  expects(student == teacher, [&] {
    return message(loss, ": the student is ", student, " wide, the teacher ", teacher, "; give it a linear_projection");
  });
}
inline void expects_widths(const char* loss, const equal_widths&, index student, index teacher) {
  expects(student == teacher, [&] {
    return message(loss, ": the student is ", student, " wide, the teacher ", teacher, "; the widths must agree");
  });
}
inline void expects_widths(const char*, const any_widths&, index, index) {}
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

/// Where the gradient of a layer's states goes, or an empty view.
template <class A, backend B, class G>
[[nodiscard]] view<G, 2, B> hidden_gradient(const sink<A, B, G>& out, std::size_t layer) {
  return out.gradient.hidden.empty() ? view<G, 2, B>{} : out.gradient.hidden[layer];
}

/// What happens to the gradient of layer `layer`'s states. Projected ones are added to, by a product, where zeros were
/// written: those may stay in caches.
template <class Projection, class G, backend B>
[[nodiscard]] row_output output_of(layer_outputs& outputs, std::size_t layer, const Projection&,
                                   view<G, 2, B> gradient) {
  constexpr bool plain = std::same_as<Projection, no_projection>;
  return outputs.next(layer, plain ? gradient.count() * static_cast<index>(sizeof(G)) : 0);
}

/// Throws contract_error where samples, depths, or the widths of a pair of layers that `map` shows, do not fit.
template <class Map, class Projection, class S, class U, backend B, class A, class G>
void expects_state_pairs(const char* loss, const Map& map, const Projection& projection,
                         const signals<const S, B>& student, const signals<const U, B>& teacher,
                         const sink<A, B, G>& out) {
  expects_same_samples(loss, student, teacher, out);
  map(depths{student.hidden.size(), teacher.hidden.size()}, [&](layer_pair p) {
    expects_states(loss, projection, layer_of(loss, "student", student.hidden, p.student),
                   layer_of(loss, "teacher", teacher.hidden, p.teacher), hidden_gradient(out, p.student));
  });
}

/// Calls compare(student's states, teacher's, gradient or an empty view, pair) for every pair of layers that `map`
/// shows, once all are known to fit. Throws as expects_state_pairs().
template <class Map, class Projection, class S, class U, backend B, class A, class G, class Compare>
void for_each_state_pair(const char* loss, const Map& map, const Projection& projection,
                         const signals<const S, B>& student, const signals<const U, B>& teacher,
                         const sink<A, B, G>& out, Compare&& compare) {
  expects_state_pairs(loss, map, projection, student, teacher, out);
  map(depths{student.hidden.size(), teacher.hidden.size()}, [&](layer_pair p) {
    compare(student.hidden[p.student], teacher.hidden[p.teacher], hidden_gradient(out, p.student), p);
  });
}

}  // namespace detail
}  // namespace limbeck
