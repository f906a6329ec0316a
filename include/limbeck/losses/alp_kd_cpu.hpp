// The squared distance between states and mixtures of the teacher's layers on the host.
#pragma once

#include <algorithm>
#include <array>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/losses/layer_attention.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/matched_rows.hpp"

namespace limbeck::detail {

struct gathered_memory {};
struct scattered_memory {};
struct compared_memory {};
struct compared_gradient_memory {};
struct mixture_memory {};
struct row_values_memory {};

/// One row: what it adds to its sample's value; dy = its gradient.
template <class A, class U>
[[nodiscard]] A attended_error(const attended_layers& to, double scale, bool attention_grad, double factor,
                               const A* state, const U* const* seen, index width, A* dy) {
  std::array<double, max_layers> weight{};
  A* const mixture = thread_scratch<mixture_memory, A>(width);
  attend(to, scale, state, seen, width, weight.data(), mixture);
  double sum = 0;
  for (index c = 0; c < width; ++c) {
    const double error = static_cast<double>(state[c]) - static_cast<double>(mixture[c]);
    sum += error * error;
    dy[c] = static_cast<A>(2 * factor / static_cast<double>(width) * error);
    mixture[c] = -dy[c];  // now its slope
  }
  if (attention_grad) attend_backward(to, scale, mixture, seen, width, weight.data(), dy);
  return static_cast<A>(factor * sum / static_cast<double>(width));
}

/// The rows that take part, whatever the layer.
template <class S, class U, class A, class G>
[[nodiscard]] view<const matched_row, 1> rows_attending(cpu, const signals<const S>& student,
                                                        const signals<const U>& teacher, token_choice tokens,
                                                        double count, const sink<A, cpu, G>& out) {
  return rows_matched(student, teacher, tokens, count, out);
}

template <class Provider, class Projection, class S, class U, class A, class G>
void attended_state_mse(cpu, const cpu_executor<Provider>& on, const Projection& projection, const attended_layers& to,
                        double scale, bool attention_grad, view<const matched_row, 1> all, view<const S, 2> student,
                        const per_layer<view<const U, 2>>& teacher, view<G, 2> gradient, const sink<A, cpu, G>& out) {
  constexpr index at_once = 256;  // rows of a product
  const index width = teacher[to.layer[0]].extent(1);
  for (index first = 0; first < all.extent(0); first += at_once) {
    const index count = std::min(at_once, all.extent(0) - first);
    const view<const matched_row, 1> rows(&all(first), count);
    const auto x = scratch_matrix<gathered_memory, A>(count, student.extent(1));
    gather(rows, &matched_row::student, student, x);
    const view<A, 2> y = projected<compared_memory>(on, projection, x, width);
    const auto dy = scratch_matrix<compared_gradient_memory, A>(count, width);
    A* const values = thread_scratch<row_values_memory, A>(count);
    parallel_for(on.threads, count, index{16}, [&](index begin, index end) {
      std::array<const U*, max_layers> seen{};
      for (index r = begin; r < end; ++r) {
        for (std::size_t i = 0; i < to.count; ++i) seen[i] = &teacher[to.layer[i]](rows(r).teacher, 0);
        values[r] = attended_error(to, scale, attention_grad, rows(r).factor, &y(r, 0), seen.data(), width, &dy(r, 0));
      }
    });
    for (index r = 0; r < count && !out.value.empty(); ++r) out.value(rows(r).sample) += values[r];
    const view<A, 2> dx = projected_back<scattered_memory>(on, projection, x, dy, !gradient.empty());
    if (!gradient.empty()) scatter_add(rows, read_only(dx), gradient);
  }
}

}  // namespace limbeck::detail
