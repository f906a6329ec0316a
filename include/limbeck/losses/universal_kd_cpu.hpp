// The answers of layers' heads, mixed and compared, on the host.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/losses/answering_heads.hpp"
#include "limbeck/losses/layer_attention.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/matched_rows.hpp"
#include "limbeck/losses/projection.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/losses/teacher_logits.hpp"

namespace limbeck::detail {

struct head_states_memory {};
struct head_logits_memory {};
struct head_gradient_memory {};
struct head_back_memory {};
struct teacher_states_memory {};
struct teacher_heads_memory {};
struct mixed_logits_memory {};
struct row_sample_memory {};
struct layer_weights_memory {};

/// z = the logits of rows of a layer, in memory that is given.
template <class S, class A>
void head_logits(const auto& on, const std::vector<linear_projection<A>>& heads, std::size_t layer,
                 view<const matched_row, 1> rows, index matched_row::*whose, view<const S, 2> states, view<A, 2> x,
                 view<A, 2> z) {
  gather(rows, whose, states, x);
  if (heads.empty())
    std::copy_n(x.data(), x.count(), z.data());
  else
    ops::linear(on, read_only(x), heads[layer].weight, heads[layer].bias, z);
}

/// The gradient of KL(softmax(c / temperature) || softmax(z / temperature)) with respect to c, times `factor`, of one
/// row; p and q: room.
template <class A>
void mixture_slope(view<const A, 2> z, view<const A, 2> c, index row, double temperature, double factor,
                   std::vector<double>& p, std::vector<double>& q, A* slope) {
  log_softmax_of(c, row, temperature, p);
  log_softmax_of(z, row, temperature, q);
  double divergence = 0;
  for (std::size_t k = 0; k < p.size(); ++k) divergence += std::exp(p[k]) * (p[k] - q[k]);
  for (std::size_t k = 0; k < p.size(); ++k)
    slope[k] = static_cast<A>(factor / temperature * std::exp(p[k]) * (p[k] - q[k] - divergence));
}

/// The logits of all teacher layers that are looked at: layer, row, class.
template <class A>
struct layer_logits {
  A* data;
  index rows, classes;
  [[nodiscard]] view<A, 2> operator[](std::size_t layer) const {
    return view<A, 2>(data + static_cast<index>(layer) * rows * classes, rows, classes);
  }
};

/// One student layer against the teacher's.
template <class Loss, class S, class A, class G>
void universal_kd_layer(const auto& on, const Loss& loss, const attended_layers& to, std::size_t layer,
                        const layer_logits<A>& answers, view<const matched_row, 1> rows,
                        view<const std::int32_t, 1> row_sample, view<const S, 2> student, view<G, 2> gradient,
                        const sink<A, cpu, G>& out) {
  const auto& options = loss.options;
  const index count = rows.extent(0), classes = answers.classes;
  const auto x = scratch_matrix<head_states_memory, A>(count, student.extent(1));
  const auto z = scratch_matrix<head_logits_memory, A>(count, classes),
             c = scratch_matrix<mixed_logits_memory, A>(count, classes),
             dz = scratch_matrix<head_gradient_memory, A>(count, classes);
  const auto weight = scratch_matrix<layer_weights_memory, double>(count, static_cast<index>(to.count));
  head_logits(on, loss.student_heads, layer, rows, &matched_row::student, student, x, z);
  std::array<const A*, max_layers> seen{};
  const auto see = [&](index r) {
    for (std::size_t i = 0; i < to.count; ++i) seen[i] = &answers[to.layer[i]](r, 0);
  };
  for (index r = 0; r < count; ++r) {
    see(r);
    attend(to, options.scale, &z(r, 0), seen.data(), classes, &weight(r, 0), &c(r, 0));
  }
  sink<A, cpu> part{out.value, {}, out.weight, out.scale, out.per};
  part.gradient.logits = dz;
  const auto as_signals = [&](view<A, 2> logits) {
    signals<const A> s;
    s.logits = logits;
    s.row_sample = row_sample;
    return s;
  };
  soft_target_kl{.temperature = options.temperature, .t_squared = options.t_squared, .over = options.over}(
      on, as_signals(z), as_signals(c), targets<A>{}, part, gradient_holds::anything);
  if (options.attention_grad) {
    std::vector<double> p, q;
    const double factor = options.t_squared ? options.temperature * options.temperature : 1;
    for (index r = 0; r < count; ++r) {
      see(r);
      A* const slope = &c(r, 0);  // the mixture itself is not needed any more
      mixture_slope(read_only(z), read_only(c), r, options.temperature, factor * rows(r).factor, p, q, slope);
      attend_backward(to, options.scale, slope, seen.data(), classes, &weight(r, 0), &dz(r, 0));
    }
  }
  const view<A, 2> dx = loss.student_heads.empty()
                            ? dz
                            : projected_back<head_back_memory>(on, loss.student_heads[layer], x, dz, !gradient.empty());
  if (!gradient.empty()) scatter_add(rows, read_only(dx), gradient);
}

/// The tokens that take part, whatever the layer.
template <class S, class U, class A, class G>
[[nodiscard]] view<const matched_row, 1> tokens_answering(cpu, const signals<const S, cpu>& student,
                                                          const signals<const U, cpu>& teacher, double count,
                                                          const sink<A, cpu, G>& out) {
  return rows_matched(student, teacher, token_choice::first, count, out);
}

template <class Loss, class S, class U, class A, class G>
void universal_kd_rows(cpu, const auto& on, const Loss& loss, index classes, const std::array<bool, max_layers>& seen,
                       depths layers, view<const matched_row, 1> rows, const signals<const S, cpu>& student,
                       const signals<const U, cpu>& teacher, const sink<A, cpu, G>& out) {
  const index count = rows.extent(0);
  if (count == 0) return;
  std::int32_t* const samples = thread_scratch<row_sample_memory, std::int32_t>(count);
  for (index r = 0; r < count; ++r) samples[r] = static_cast<std::int32_t>(rows(r).sample);
  const layer_logits<A> answers{
      thread_scratch<teacher_heads_memory, A>(static_cast<index>(layers.teacher) * count * classes), count, classes};
  for (std::size_t n = 0; n < layers.teacher; ++n)
    if (seen[n])
      head_logits(on, loss.teacher_heads, n, rows, &matched_row::teacher, teacher.hidden[n],
                  scratch_matrix<teacher_states_memory, A>(count, teacher.hidden[n].extent(1)), answers[n]);
  for (std::size_t m = 0; m < layers.student; ++m) {
    const auto attended = layers_attended("universal_kd", loss.map, layers, m);
    if (attended.count > 0)
      universal_kd_layer(on, loss, attended, m, answers, rows, view<const std::int32_t, 1>(samples, count),
                         student.hidden[m], out.gradient.hidden.empty() ? view<G, 2>{} : out.gradient.hidden[m], out);
  }
}

}  // namespace limbeck::detail
