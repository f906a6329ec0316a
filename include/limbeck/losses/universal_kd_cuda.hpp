// The answers of layers' heads, mixed and compared, on a device: a block for each sample's first token.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/backend/cuda_launch.hpp"
#include "limbeck/losses/answering_heads.hpp"
#include "limbeck/losses/hidden_states_cuda.hpp"
#include "limbeck/losses/layer_attention_cuda.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/projection.hpp"
#include "limbeck/ops/linear.hpp"

namespace limbeck::detail {

inline constexpr unsigned answer_threads = 128;

/// The samples' first tokens.
template <class A>
struct first_tokens {
  state_samples<A> samples;

  [[nodiscard]] LIMBECK_HD index count() const { return samples.rows.extent(0); }
  [[nodiscard]] __device__ bool counts(index i) const { return samples.factors(i) != A(0) && samples.rows(i).keys > 0; }
};

/// to(sample) = the first token's row, 0 where the sample does not count.
template <class S, class A>
__global__ void __launch_bounds__(answer_threads)
    gather_first_kernel(first_tokens<A> tokens, view<const sample_rows, 1, cuda> rows, view<const S, 2, cuda> states,
                        view<A, 2, cuda> to) {
  for (index i = blockIdx.x; i < tokens.count(); i += gridDim.x)
    for (index c = threadIdx.x; c < to.extent(1); c += blockDim.x)
      to(i, c) = tokens.counts(i) ? static_cast<A>(states(rows(i).begin, c)) : A(0);
}
template <class A, class G>
__global__ void __launch_bounds__(answer_threads)
    add_to_first_kernel(first_tokens<A> tokens, view<const A, 2, cuda> from, view<G, 2, cuda> states) {
  for (index i = blockIdx.x; i < tokens.count(); i += gridDim.x) {
    if (!tokens.counts(i)) continue;
    for (index c = threadIdx.x; c < from.extent(1); c += blockDim.x) {
      G& to = states(tokens.samples.rows(i).begin, c);
      to = static_cast<G>(static_cast<A>(to) + from(i, c));
    }
  }
}

/// log softmax of number(class) / temperature. To be called by a whole block.
struct log_softmax_on_device {
  double inverse, log_sum;

  template <class Number>
  __device__ log_softmax_on_device(double temperature, index classes, const Number& number) : inverse(1 / temperature) {
    double top = -INFINITY, sum = 0;
    for (index c = threadIdx.x; c < classes; c += blockDim.x) top = max(top, number(c) * inverse);
    top = block_joined(top, [](double a, double b) { return max(a, b); });
    for (index c = threadIdx.x; c < classes; c += blockDim.x) sum += exp(number(c) * inverse - top);
    log_sum = top + log(block_joined(sum, summed_up{}));
  }
  [[nodiscard]] __device__ double operator()(double z) const { return z * inverse - log_sum; }
};

/// Each sample's answer z against the mixture of the teacher's that it chooses; dz is written.
template <class A>
__global__ void __launch_bounds__(answer_threads)
    compare_answers_kernel(first_tokens<A> tokens, layers_on_device<A> teacher, universal_kd_options options,
                           view<const A, 2, cuda> z, view<A, 2, cuda> dz, view<A, 1, cuda> value) {
  __shared__ double weight[max_layers], along[max_layers];
  const index classes = z.extent(1);
  const double squared = options.t_squared ? options.temperature * options.temperature : 1;
  for (index r = blockIdx.x; r < tokens.count(); r += gridDim.x) {
    if (!tokens.counts(r)) {
      for (index c = threadIdx.x; c < classes; c += blockDim.x) dz(r, c) = A(0);
      continue;
    }
    const auto answer = [&](index c) { return static_cast<double>(z(r, c)); };
    const auto mixture = [&](index c) { return static_cast<double>(dz(r, c)); };  // until its slope takes its place
    teacher.attend(options.scale, r, classes, answer, weight);
    for (index c = threadIdx.x; c < classes; c += blockDim.x) dz(r, c) = static_cast<A>(teacher.mixed(weight, r, c));
    const log_softmax_on_device own(options.temperature, classes, answer), shown(options.temperature, classes, mixture);
    double divergence = 0;
    for (index c = threadIdx.x; c < classes; c += blockDim.x) {
      const double log_p = shown(mixture(c));
      divergence += exp(log_p) * (log_p - own(answer(c)));
    }
    divergence = block_joined(divergence, summed_up{});
    const double factor = squared * static_cast<double>(tokens.samples.factors(r)),
                 slope = factor / options.temperature;
    if (threadIdx.x == 0 && !value.empty()) value(r) += static_cast<A>(factor * divergence);
    if (options.attention_grad)
      teacher.slopes_of_weights(
          r, classes,
          [&](index c) {
            const double log_p = shown(mixture(c));
            return slope * exp(log_p) * (log_p - own(answer(c)) - divergence);
          },
          weight, along);
    for (index c = threadIdx.x; c < classes; c += blockDim.x) {
      double to = slope * (exp(own(answer(c))) - exp(shown(mixture(c))));
      if (options.attention_grad) to += teacher.back(options.scale, weight, along, r, c);
      dz(r, c) = static_cast<A>(to);
    }
  }
}

/// What a batch's answers are made in, one piece of workspace behind the other: the student's come first, for they are
/// not needed any more when linear_backward() takes workspace of its own, which is not larger.
template <class A>
class answer_room {
 public:
  answer_room(const cuda_executor& on, index samples, index classes, index widest, std::size_t teacher_layers)
      : samples_(samples),
        classes_(classes),
        widest_(widest),
        memory_(on, samples * (classes * (2 + static_cast<index>(teacher_layers)) + 2 * widest)) {}

  [[nodiscard]] view<A, 2, cuda> answers() const { return matrix(0, classes_); }
  [[nodiscard]] view<A, 2, cuda> slopes() const { return matrix(classes_, classes_); }
  [[nodiscard]] view<A, 2, cuda> states(index width) const { return matrix(2 * classes_, width); }
  [[nodiscard]] view<A, 2, cuda> slopes_of_states(index width) const { return matrix(2 * classes_ + widest_, width); }
  [[nodiscard]] view<A, 2, cuda> teacher(std::size_t layer) const {
    return matrix(2 * (classes_ + widest_) + static_cast<index>(layer) * classes_, classes_);
  }

 private:
  [[nodiscard]] view<A, 2, cuda> matrix(index after, index columns) const {
    return view<A, 2, cuda>(memory_.data() + samples_ * after, samples_, columns);
  }
  index samples_, classes_, widest_;
  cuda_workspace<A> memory_;
};

template <class Loss, class S, class U, class A, class G>
void universal_kd_rows(cuda, const cuda_executor& on, const Loss& loss, index classes,
                       const std::array<bool, max_layers>& seen, depths layers, const first_tokens<A>& tokens,
                       const signals<const S, cuda>& student, const signals<const U, cuda>& teacher,
                       const sink<A, cuda, G>& out) {
  constexpr const char* what = "universal_kd";
  const index count = tokens.count();
  if (count == 0 || classes == 0) return;
  index widest = 0;
  for (std::size_t m = 0; m < layers.student; ++m) widest = std::max(widest, student.hidden[m].extent(1));
  for (std::size_t n = 0; n < layers.teacher; ++n) widest = std::max(widest, teacher.hidden[n].extent(1));
  const answer_room<A> room(on, count, classes, widest, layers.teacher);
  const auto start = [&](auto kernel, const auto&... arguments) {
    launch(on, what, {blocks_for(count), answer_threads}, kernel, arguments...);
  };
  const auto answer = [&]<class X>(const std::vector<linear_projection<A, cuda>>& heads, std::size_t layer,
                                   view<const sample_rows, 1, cuda> rows, view<const X, 2, cuda> states,
                                   view<A, 2, cuda> to) {
    const view<A, 2, cuda> x = heads.empty() ? to : room.states(states.extent(1));
    start(gather_first_kernel<X, A>, tokens, rows, states, x);
    if (!heads.empty()) ops::linear(on, read_only(x), heads[layer].weight, heads[layer].bias, to);
  };
  for (std::size_t n = 0; n < layers.teacher; ++n)
    if (seen[n]) answer(loss.teacher_heads, n, teacher.rows, teacher.hidden[n], room.teacher(n));
  for (std::size_t m = 0; m < layers.student; ++m) {
    const auto attended = layers_attended(what, loss.map, layers, m);
    if (attended.count == 0) continue;
    layers_on_device<A> shown;
    for (std::size_t i = 0; i < attended.count; ++i)
      shown.add(read_only(room.teacher(attended.layer[i])), attended.log_weight[i]);
    answer(loss.student_heads, m, student.rows, student.hidden[m], room.answers());
    start(compare_answers_kernel<A>, tokens, shown, loss.options, read_only(room.answers()), room.slopes(), out.value);
    const view<G, 2, cuda> gradient = hidden_gradient(out, m);
    view<A, 2, cuda> slopes = room.slopes();
    if (!loss.student_heads.empty()) {
      const linear_projection<A, cuda>& head = loss.student_heads[m];
      const index width = student.hidden[m].extent(1);
      const view<A, 2, cuda> back = gradient.empty() ? view<A, 2, cuda>{} : room.slopes_of_states(width);
      ops::linear_backward(on, read_only(room.states(width)), head.weight, read_only(slopes), head.weight_gradient,
                           head.bias_gradient, back);
      slopes = back;
    }
    if (!gradient.empty()) start(add_to_first_kernel<A, G>, tokens, read_only(slopes), gradient);
  }
}

/// The tokens that take part, whatever the layer.
template <class S, class U, class A, class G>
[[nodiscard]] first_tokens<A> tokens_answering(cuda, const signals<const S, cuda>& student,
                                               const signals<const U, cuda>& teacher, double count,
                                               const sink<A, cuda, G>& out) {
  return {{mask_mode::exact, student.rows, teacher.rows, factors_of(out, count)}};
}

}  // namespace limbeck::detail
