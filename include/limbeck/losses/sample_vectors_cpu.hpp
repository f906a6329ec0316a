// One vector for each sample on the host.
#pragma once

#include <algorithm>

#include "limbeck/backend/scratch.hpp"
#include "limbeck/losses/sample_vectors.hpp"
#include "limbeck/losses/vector_products_cpu.hpp"

namespace limbeck::detail {

/// Memory of the calling thread, taken piece by piece.
template <class A>
class memory_pieces {
 public:
  explicit memory_pieces(A* begin) : next_(begin) {}
  [[nodiscard]] A* take(index count) {
    A* const begin = next_;
    next_ += count;
    return begin;
  }

 private:
  A* next_;
};

/// The vectors of the samples that count, one behind the other. `gradient` of the student's, 0 at first; null: not
/// wanted.
template <class A>
struct vector_batch {
  index count = 0, student_width = 0, teacher_width = 0;
  const index* sample = nullptr;  ///< [count]: its number in the batch
  const A* factor = nullptr;      ///< [count]: scale * weight / the caller's count
  const A *student = nullptr, *teacher = nullptr;
  A* gradient = nullptr;

  [[nodiscard]] const A* mine(index i) const { return student + i * student_width; }
  [[nodiscard]] const A* theirs(index i) const { return teacher + i * teacher_width; }
  [[nodiscard]] A* slope(index i) const { return gradient + i * student_width; }
};

/// A sample's vector, in the type that is computed in.
template <class S, class A>
void pool_tokens(token_pooling by, const sample_rows& at, view<const S, 2> states, A* to) {
  const index width = states.extent(1), tokens = by == token_pooling::first_token ? 1 : at.keys;
  std::fill_n(to, width, A(0));
  for (index r = 0; r < tokens; ++r) add_multiple(&states(at.begin + r, 0), width, A(1), to);
  if (tokens > 1) divide(to, width, static_cast<A>(tokens));
}
/// Adds the gradient of a sample's vector to that of its tokens' states.
template <class A, class G>
void spread_over_tokens(token_pooling by, const sample_rows& at, const A* slope, view<G, 2> gradient) {
  const index tokens = by == token_pooling::first_token ? 1 : at.keys;
  for (index r = 0; r < tokens; ++r)
    add_multiple(slope, gradient.extent(1), A(1) / static_cast<A>(tokens), &gradient(at.begin + r, 0));
}

struct vector_numbers {};
struct vector_memory {};

/// Pools the vectors of the samples whose weight is not 0 and that have a token, calls body(batch), which adds to
/// batch.gradient, and spreads that over the tokens. Allocates nothing after the first call of a size.
template <class S, class U, class A, class G, class Body>
void with_vectors(token_pooling by, const vector_layers<S, U, G, cpu>& of, double count, const sink<A, cpu, G>& out,
                  Body&& body) {
  vector_batch<A> batch;
  const index samples = of.rows.extent(0);
  batch.student_width = of.student.extent(1);
  batch.teacher_width = of.teacher.extent(1);
  index* const sample = thread_scratch<vector_numbers, index>(samples);
  memory_pieces<A> memory(
      thread_scratch<vector_memory, A>(samples * (1 + 2 * batch.student_width + batch.teacher_width)));
  A *const factor = memory.take(samples), *const own = memory.take(samples * batch.student_width);
  A *const shown = memory.take(samples * batch.teacher_width), *const slope =
                                                                   memory.take(samples * batch.student_width);
  for (index i = 0; i < samples; ++i) {
    factor[batch.count] = factor_of(out, count, i);
    if (factor[batch.count] == A(0) || of.rows(i).keys == 0) continue;
    pool_tokens(by, of.rows(i), of.student, own + batch.count * batch.student_width);
    pool_tokens(by, of.teacher_rows(i), of.teacher, shown + batch.count * batch.teacher_width);
    sample[batch.count++] = i;
  }
  if (batch.count == 0) return;
  batch.sample = sample;
  batch.factor = factor;
  batch.student = own;
  batch.teacher = shown;
  if (!of.gradient.empty()) {
    batch.gradient = slope;
    std::fill_n(slope, batch.count * batch.student_width, A(0));
  }
  body(static_cast<const vector_batch<A>&>(batch));
  for (index i = 0; i < batch.count && batch.gradient != nullptr; ++i)
    spread_over_tokens(by, of.rows(sample[i]), batch.slope(i), of.gradient);
}

}  // namespace limbeck::detail
