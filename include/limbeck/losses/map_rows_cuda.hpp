// The rows of attention maps on a device, a warp for each: what losses on maps share.
#pragma once

#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/backend/cuda_fours.hpp"
#include "limbeck/losses/map_pairs.hpp"
#include "limbeck/losses/sample_slices_cuda.hpp"

namespace limbeck::detail {

/// The same row of the maps of heads that lie side by side, averaged; of one head, the row itself. Read as device_pair
/// reads rows, in fours of keys.
template <class A, class S>
class row_of_heads {
 public:
  __device__ row_of_heads(const square_blocks<S, cuda>& maps, index sample, index first, index heads, index row)
      : heads_(heads) {
    const view<S, 2, cuda> map = maps.map(sample, first);
    row_ = &map(row, 0);
    step_ = map.count();
  }

  [[nodiscard]] __device__ four<A> first_four(index first, index here) const { return four_at(first, here); }
  [[nodiscard]] __device__ four<A> four_at(index first, index here) const {
    four<A> sum{};
    for (index h = 0; h < heads_; ++h) {
      const auto of_head = load_four(row_ + h * step_ + first, here);
      for (int i = 0; i < 4; ++i) sum.at[i] += static_cast<A>(of_head.at[i]);
    }
    for (A& x : sum.at) x *= share();
    return sum;
  }
  [[nodiscard]] __device__ A operator[](index key) const {
    A sum = 0;
    for (index h = 0; h < heads_; ++h) sum += static_cast<A>(row_[h * step_ + key]);
    return sum * share();
  }
  /// Adds the gradient of the mean at one key to that of each head.
  __device__ void add(index key, A slope) const {
    for (index h = 0; h < heads_; ++h) {
      S& to = row_[h * step_ + key];
      to = static_cast<S>(static_cast<A>(to) + share() * slope);
    }
  }

 private:
  [[nodiscard]] __device__ A share() const { return A(1) / static_cast<A>(heads_); }

  S* row_;
  index step_, heads_;
};

/// What a row is compared by: the student's, the teacher's, the keys that it sees, its factor, and where the gradient
/// of the student's goes, where that is wanted.
template <class A, class S, class U, class G>
struct pair_of_map_rows {
  row_of_heads<A, const S> student;
  row_of_heads<A, const U> teacher;
  index visible;
  A factor;
  const row_of_heads<A, G>* gradient;
};

/// The sum over the rows of a sample's maps of compare(pair_of_map_rows), to which each lane gives its part.
template <class Compare, class A, class S, class U, class G>
struct compared_map_rows {
  mask_mode mode;
  index compared;  ///< maps that are left of each model's
  view<const sample_rows, 1, cuda> rows;
  sample_factors<A, cuda> factors;
  pair_of_maps<S, U, G, cuda> maps;
  Compare compare;

  __device__ A operator()(index sample, index slice) const {
    const A factor = factors(sample);
    if (factor == A(0)) return A(0);
    const sample_rows of = rows(sample);
    const index counting = rows_that_count(of, mode), warps = blockDim.x / warp_size;
    const index mine = maps.student.heads / compared, theirs = maps.teacher.heads / compared;
    A sum = 0;
    for (index i = slice * warps + threadIdx.x / warp_size; i < compared * counting; i += slices_of_sample * warps) {
      const index map = i / counting, row = i % counting;
      const pair_of_map_rows<A, S, U, G> pair{{maps.student, sample, map * mine, mine, row},
                                              {maps.teacher, sample, map * theirs, theirs, row},
                                              visible_keys(of, row, maps.student.causal),
                                              factor,
                                              nullptr};
      sum += maps.gradient.empty() ? compare(pair) : with_gradient(pair, sample, map * mine, mine, row);
    }
    return factor * sum;
  }

 private:
  __device__ A with_gradient(pair_of_map_rows<A, S, U, G> pair, index sample, index first, index heads,
                             index row) const {
    const row_of_heads<A, G> gradient(maps.gradient, sample, first, heads, row);
    pair.gradient = &gradient;
    return compare(pair);
  }
};

/// Queues value(sample) += that sum; `share` is what it counts before the sample's own factor.
template <class Compare, class S, class U, class A, class G>
void add_up_map_rows(const cuda_executor& on, const char* what, mask_mode mode, index compared,
                     view<const sample_rows, 1, cuda> rows, const pair_of_maps<S, U, G, cuda>& maps,
                     const Compare& compare, double share, const sink<A, cuda, G>& out) {
  const cuda_workspace<A> parts(on, slice_room(rows.extent(0)));
  add_up_samples(
      on, what, rows.extent(0), slice_threads,
      compared_map_rows<Compare, A, S, U, G>{mode, compared, rows, factors_of(out, 1 / share), maps, compare},
      parts.data(), out.value);
}

}  // namespace limbeck::detail
