// The squared distance between states and mixtures of the teacher's layers on a device: a block for each row.
#pragma once

#include <algorithm>

#include "limbeck/losses/hidden_states_cuda.hpp"
#include "limbeck/losses/layer_attention_cuda.hpp"

namespace limbeck::detail {

template <class A, class S, class U, class G>
struct attended_states {
  state_samples<A> samples;
  index most_rows;  ///< of a sample
  view<const S, 2, cuda> student;
  view<G, 2, cuda> gradient;
  layers_on_device<U> teacher;
  double scale;
  bool attention_grad;

  __device__ A operator()(index sample, index slice) const {
    const double factor = static_cast<double>(samples.factors(sample));
    if (factor == 0) return A(0);
    const index begin = samples.rows(sample).begin, shown = samples.teacher_rows(sample).begin;
    const index counting = samples.counting(sample), end = counting < most_rows ? counting : most_rows;
    A sum = 0;
    for (index r = slice; r < end; r += slices_of_sample) sum += compare(begin + r, shown + r, factor);
    return threadIdx.x == 0 ? sum : A(0);  // every thread has it
  }

 private:
  /// A row's value, in every thread; adds its gradient. To be called by the whole block.
  __device__ A compare(index row, index shown, double factor) const {
    __shared__ double weight[max_layers], along[max_layers];
    const index width = student.extent(1);
    const auto state = [&](index c) { return static_cast<double>(student(row, c)); };
    teacher.attend(scale, shown, width, state, weight);
    const auto error = [&](index c) { return state(c) - teacher.mixed(weight, shown, c); };
    const double by = 2 * factor / static_cast<double>(width);
    const bool through_weights = !gradient.empty() && attention_grad;
    if (through_weights)
      teacher.slopes_of_weights(
          shown, width, [&](index c) { return -by * error(c); }, weight, along);
    double sum = 0;
    for (index c = threadIdx.x; c < width; c += blockDim.x) {
      const double e = error(c);
      sum += e * e;
      if (gradient.empty()) continue;
      const double slope = by * e + (through_weights ? teacher.back(scale, weight, along, shown, c) : 0.0);
      G& to = gradient(row, c);
      to = static_cast<G>(static_cast<A>(to) + static_cast<A>(slope));
    }
    sum = block_joined(sum, summed_up{});  // and nobody reads the weights any more
    return static_cast<A>(factor * sum / static_cast<double>(width));
  }
};

/// The rows that take part, whatever the layer.
template <class A>
struct attending_samples {
  state_samples<A> samples;
  index most_rows;
};
template <class S, class U, class A, class G>
[[nodiscard]] attending_samples<A> rows_attending(cuda, const signals<const S, cuda>& student,
                                                  const signals<const U, cuda>& teacher, token_choice tokens,
                                                  double count, const sink<A, cuda, G>& out) {
  return {{mask_mode::exact, student.rows, teacher.rows, factors_of(out, count)},
          tokens == token_choice::first ? index{1} : std::max<index>(student.hidden[0].extent(0), 1)};
}

template <class Projection, class S, class U, class A, class G>
void attended_state_mse(cuda, const cuda_executor& on, const Projection& projection, const attended_layers& to,
                        double scale, bool attention_grad, const attending_samples<A>& all,
                        view<const S, 2, cuda> student, const per_layer<view<const U, 2, cuda>>& teacher,
                        view<G, 2, cuda> gradient, const sink<A, cuda, G>& out) {
  layers_on_device<U> layers;
  for (std::size_t i = 0; i < to.count; ++i) layers.add(teacher[to.layer[i]], to.log_weight[i]);
  const auto body_of = [&]<class X, class D>(view<const X, 2, cuda> x, view<D, 2, cuda> dx) {
    return attended_states<A, X, U, D>{all.samples, all.most_rows, x, dx, layers, scale, attention_grad};
  };
  add_up_states(on, projection, all.samples, student, teacher[to.layer[0]].extent(1), gradient, body_of, out);
}

}  // namespace limbeck::detail
