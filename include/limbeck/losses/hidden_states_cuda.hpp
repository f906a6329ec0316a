// Compares hidden states on a device number by number, with a projection or without.
#pragma once

#include <concepts>

#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/losses/hidden_states.hpp"
#include "limbeck/losses/sample_slices_cuda.hpp"
#include "limbeck/losses/squared_difference.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "limbeck/ops/linear.hpp"

namespace limbeck::detail {

/// What stands for one sample in two matrices of states.
template <class A>
struct state_samples {
  mask_mode mode;
  view<const sample_rows, 1, cuda> rows, teacher_rows;
  sample_factors<A, cuda> factors;

  [[nodiscard]] __device__ index counting(index sample) const { return rows_that_count(rows(sample), mode); }
};

/// The squared error of the rows of a sample that count, and its gradient, added where it is wanted.
template <class Difference, class A, class S, class U, class G>
struct squared_states {
  state_samples<A> samples;
  view<const S, 2, cuda> student;
  view<const U, 2, cuda> teacher;
  view<G, 2, cuda> gradient;

  __device__ A operator()(index sample, index slice) const {
    const A factor = samples.factors(sample), floor = static_cast<A>(zeroing_floor);
    if (factor == A(0)) return A(0);
    const index begin = samples.rows(sample).begin, shown = samples.teacher_rows(sample).begin;
    A sum = 0;
    for (index r = slice; r < samples.counting(sample); r += slices_of_sample)
      for (index c = threadIdx.x; c < student.extent(1); c += blockDim.x) {
        const A s = static_cast<A>(student(begin + r, c)), t = static_cast<A>(teacher(shown + r, c));
        const A d = Difference::difference(s, t, floor);
        sum += d * d;
        if (gradient.empty()) continue;
        G& to = gradient(begin + r, c);
        to = static_cast<G>(static_cast<A>(to) + Difference::passed(s, A(2) * factor * d, floor));
      }
    return factor * sum;
  }
};

/// What a Compare becomes on a device: a body for add_up_samples() over states of types S and U, whose gradient is of
/// G.
template <class Compare, class A, class S, class U, class G>
struct states_on_device {
  using body = squared_states<typename Compare::difference, A, S, U, G>;
};

/// y = x where a row belongs to a sample that counts. What stands elsewhere may be garbage, which a product would
/// spread.
template <class A>
struct counted_rows_copy {
  state_samples<A> samples;
  view<const A, 2, cuda> x;
  view<A, 2, cuda> y;

  __device__ A operator()(index sample, index slice) const {
    if (samples.factors(sample) == A(0)) return A(0);
    const index begin = samples.rows(sample).begin;
    for (index r = begin + slice; r < begin + samples.counting(sample); r += slices_of_sample)
      for (index c = threadIdx.x; c < x.extent(1); c += blockDim.x) y(r, c) = x(r, c);
    return A(0);
  }
};

inline void expects_to_add(row_output how) {
  expects(how == row_output::add,
          "states: on a device gradients are added to; give zeros, not gradient_holds::anything");
}

/// Queues value(sample) += what body_of(states, gradient) adds up: of the student's states as they are ...
template <class S, class A, class G, class BodyOf>
void add_up_states(const cuda_executor& on, const no_projection&, const state_samples<A>& samples,
                   view<const S, 2, cuda> student, index width, view<G, 2, cuda> gradient, const BodyOf& body_of,
                   const sink<A, cuda, G>& out) {
  const cuda_workspace<A> parts(on, slice_room(samples.rows.extent(0)));
  add_up_samples(on, "states", samples.rows.extent(0), width, body_of(student, gradient), parts.data(), out.value);
}
/// ... or projected to `width`. Workspace: the student's rows that count, others 0; their projection; its gradient.
template <class S, class A, class G, class BodyOf>
void add_up_states(const cuda_executor& on, const linear_projection<A, cuda>& p, const state_samples<A>& samples,
                   view<const S, 2, cuda> student, index width, view<G, 2, cuda> gradient, const BodyOf& body_of,
                   const sink<A, cuda, G>& out) {
  static_assert(std::same_as<S, A> && std::same_as<G, A>, "a projected loss needs a student in its compute type");
  const index tokens = student.extent(0), mine = student.extent(1), count = samples.rows.extent(0);
  const cuda_workspace<A> room(on, tokens * (mine + 2 * width) + slice_room(count));
  const view<A, 2, cuda> h(room.data(), tokens, mine), y(h.data() + h.count(), tokens, width),
      dy(y.data() + y.count(), tokens, width);
  A* const slices = dy.data() + dy.count();
  ops::fill(on, A(0), h);
  ops::fill(on, A(0), dy);
  add_up_samples(on, "states", count, mine, counted_rows_copy<A>{samples, student, h}, slices, {});
  ops::linear(on, read_only(h), p.weight, p.bias, y);
  add_up_samples(on, "states", count, width, body_of(read_only(y), dy), slices, out.value);
  ops::linear_backward(on, read_only(h), p.weight, read_only(dy), p.weight_gradient, p.bias_gradient, gradient, true);
}

template <class Compare, class Projection, class S, class U, class A, class G>
void compare_states(cuda, const cuda_executor& on, const Compare& compare, const Projection& projection, mask_mode mode,
                    view<const sample_rows, 1, cuda> rows, view<const sample_rows, 1, cuda> teacher_rows,
                    view<const S, 2, cuda> student, view<const U, 2, cuda> teacher, view<G, 2, cuda> gradient,
                    double count, const sink<A, cuda, G>& out) {
  expects_to_add(compare.how);
  const state_samples<A> samples{mode, rows, teacher_rows, factors_of(out, count)};
  const auto body_of = [&]<class X, class D>(view<const X, 2, cuda> x, view<D, 2, cuda> dx) {
    return typename states_on_device<Compare, A, X, U, D>::body{samples, x, teacher, dx};
  };
  add_up_states(on, projection, samples, student, teacher.extent(1), gradient, body_of, out);
}

}  // namespace limbeck::detail
