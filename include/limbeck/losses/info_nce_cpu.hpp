// Unit vectors of a batch and the cosines between both models' on the host.
#pragma once

#include <algorithm>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/threads.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/own_share.hpp"
#include "limbeck/losses/sample_vectors_cpu.hpp"
#include "limbeck/losses/vector_products_cpu.hpp"

namespace limbeck::detail {

/// Brings a row to length 1 and returns what it was; a row of zeros stays one.
template <class A>
A make_unit(A* row, index width) {
  const A length = sqrt(dot(row, row, width));
  if (length != A(0)) divide(row, width, length);
  return length;
}
/// gradient += the slope by a row of that length, for the slope by its unit vector, which is spoilt.
template <class A>
void through_unit(const A* unit, A length, A* slope, index width, A* gradient) {
  if (length == A(0)) return;
  add_multiple(unit, width, -dot(unit, slope, width), slope);
  add_multiple(slope, width, A(1) / length, gradient);
}

/// -log of the share that `own` has in the softmax of `count` scores `step` apart, and the scores' slopes: the shares
/// less 1 at `own`, times `factor`, added to what `slopes` holds.
template <class A>
[[nodiscard]] A pick_own(const A* scores, index count, index step, index own, A factor, A* slopes) {
  A top = scores[own * step];
  for (index j = 0; j < count; ++j) top = max(scores[j * step], top);
  A others = 0;
  for (index j = 0; j < count; ++j)
    if (j != own) others += exp(scores[j * step] - top);
  const A all = exp(scores[own * step] - top) + others;
  for (index j = 0; j < count; ++j)
    slopes[j * step] += factor * (j == own ? -others : exp(scores[j * step] - top)) / all;
  return loss_of_own(top, scores[own * step], others);
}

struct contrast_memory {};

/// What both losses need of a batch: unit vectors, their former lengths, and room.
template <class A>
struct unit_vectors {
  A *own, *shown, *length, *slope;  ///< [count, width], [count, width], [count], [count, width]
  A *scores, *slopes;               ///< [count, others] each

  unit_vectors(const vector_batch<A>& batch, index others) {
    const index n = batch.count, width = batch.student_width;
    memory_pieces<A> memory(thread_scratch<contrast_memory, A>(n * (3 * width + 1 + 2 * others)));
    own = memory.take(n * width);
    shown = memory.take(n * width);
    slope = memory.take(n * width);
    length = memory.take(n);
    scores = memory.take(n * others);
    slopes = memory.take(n * others);
    std::copy_n(batch.student, n * width, own);
    std::copy_n(batch.teacher, n * width, shown);
    std::fill_n(slope, n * width, A(0));
    std::fill_n(slopes, n * others, A(0));
    for (index i = 0; i < n; ++i) {
      length[i] = make_unit(own + i * width, width);
      make_unit(shown + i * width, width);
    }
  }
};

template <class A>
void pick_own_vectors(int threads, const vector_batch<A>& batch, const contrast& how, const view<A, 1>& value) {
  constexpr index worth_a_thread = 1 << 14;  // elements
  const index n = batch.count, width = batch.student_width, least = worth_a_thread / (n * width) + 1;
  const unit_vectors<A> unit(batch, n);
  const A sharpness = static_cast<A>(how.sharpness);
  parallel_for(threads, n, least, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      A* const scores = unit.scores + i * n;
      simd_dispatch<measure_rows_kernel<dot_of>>(unit.own + i * width, unit.shown, n, width, scores);
      for (index j = 0; j < n; ++j) scores[j] *= sharpness;
    }
  });
  for (index i = 0; i < n; ++i) {
    const A factor = how.symmetric ? batch.factor[i] / 2 : batch.factor[i];
    A sum = pick_own(unit.scores + i * n, n, index{1}, i, factor * sharpness, unit.slopes + i * n);
    if (how.symmetric) sum += pick_own(unit.scores + i, n, n, i, factor * sharpness, unit.slopes + i);
    if (!value.empty()) value(batch.sample[i]) += factor * sum;
  }
  if (batch.gradient == nullptr) return;
  parallel_for(threads, n, least, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      A* const slope = unit.slope + i * width;
      simd_dispatch<combine_rows_kernel<row_itself>>(unit.own + i * width, unit.shown, n, width, unit.slopes + i * n,
                                                     slope);
      through_unit(unit.own + i * width, unit.length[i], slope, width, batch.slope(i));
    }
  });
}

template <class Provider, class S, class U, class A, class G>
void pick_own_of_batch(cpu, const cpu_executor<Provider>& on, token_pooling by, const vector_layers<S, U, G, cpu>& of,
                       const contrast& how, double count, const sink<A, cpu, G>& out) {
  with_vectors(by, of, count, out,
               [&](const vector_batch<A>& batch) { pick_own_vectors(on.threads, batch, how, out.value); });
}

}  // namespace limbeck::detail
