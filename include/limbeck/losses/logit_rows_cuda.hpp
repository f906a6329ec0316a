// Losses on rows of logits on a device: a block for each row, sums of rows and of samples in an order of their own.
#pragma once

#include <cmath>

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/backend/cuda_launch.hpp"
#include "limbeck/core/half.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/logit_rows.hpp"

namespace limbeck::detail {

/// The largest logit shown so far, and the sum of exp((z - top) * inverse_temperature) of all of them.
template <class A>
struct running_softmax {
  A top, sum;

  [[nodiscard]] LIMBECK_HD static running_softmax none() { return {static_cast<A>(-INFINITY), A(0)}; }
  LIMBECK_HD void add(A z, A inverse_temperature) {
    if (z > top) {
      sum = sum * exp((top - z) * inverse_temperature) + A(1);
      top = z;
    } else if (!(z == static_cast<A>(-INFINITY))) {  // NaN comes this way, and stays in the sum
      sum += exp((z - top) * inverse_temperature);
    }
  }
  [[nodiscard]] LIMBECK_HD static running_softmax joined(const running_softmax& a, const running_softmax& b,
                                                         A inverse_temperature) {
    const A top = max(a.top, b.top);
    return {top, a.rescaled(top, inverse_temperature) + b.rescaled(top, inverse_temperature)};
  }

 private:
  LIMBECK_HD A rescaled(A to, A inverse_temperature) const {
    return top == to ? sum : sum * exp((top - to) * inverse_temperature);
  }
};

/// A row of logits; a thread reads only those that are its own in class_loop, the first time by first(c).
template <class A, class S>
class device_row {
 public:
  /// `room`: shared memory for the row's logits, or null.
  __device__ device_row(const view<const S, 2, cuda>& logits, index row, S* room)
      : from_(logits.data() + row * logits.stride(0)), step_(logits.stride(1)), room_(room) {}

  [[nodiscard]] __device__ A first(index c) const {
    const S z = from_[c * step_];
    if (room_ != nullptr) room_[c] = z;
    return static_cast<A>(z);
  }
  [[nodiscard]] __device__ A operator[](index c) const {
    return static_cast<A>(room_ != nullptr ? room_[c] : from_[c * step_]);
  }

 private:
  const S* from_;
  index step_;
  S* room_;
};

template <class Rows, class A>
__device__ void add_to_gradient(const Rows& rows, index row, index c, A slope) {
  auto& to = rows.gradients(row, c);
  to = static_cast<typename Rows::gradient_type>(static_cast<A>(to) + slope);
}

inline constexpr unsigned row_threads = 512, sample_threads = 128;

/// Blocks take rows in turn. The value of each, factor * body(rows, row, factor, room), goes to row_values, or where
/// that is null to the row's sample, which must then have no other row.
template <class Body, class A, class S, class U, class G>
__global__ void __launch_bounds__(row_threads, 1)
    logit_rows_kernel(Body body, logit_rows<S, U, A, cuda, G> rows, A* row_values, bool kept) {
  for (index row = blockIdx.x; row < rows.count(); row += gridDim.x) {
    const A factor = body.counts(row) ? rows.factor(row) : A(0);
    A value = 0;
    if (factor != A(0)) value = factor * body(rows, row, factor, kept ? dynamic_shared() : nullptr);
    if (threadIdx.x != 0) continue;
    if (row_values != nullptr)
      row_values[row] = value;
    else if (factor != A(0) && !rows.values.empty())
      rows.values(rows.sample(row)) += value;
  }
}

/// The first row of a sample from `sample` on, the rows' samples not decreasing.
template <backend B>
[[nodiscard]] LIMBECK_HD index first_row_of(const view<const std::int32_t, 1, B>& row_sample, index sample) {
  index below = 0, end = row_sample.extent(0);
  while (below < end) {
    const index middle = below + (end - below) / 2;
    if (row_sample(middle) < sample)
      below = middle + 1;
    else
      end = middle;
  }
  return below;
}

/// values(sample) += the sum of its rows' values: the same bits whatever else is in the batch.
template <class A>
__global__ void __launch_bounds__(sample_threads)
    add_row_values_kernel(const A* row_values, view<const std::int32_t, 1, cuda> row_sample, view<A, 1, cuda> values) {
  for (index sample = blockIdx.x; sample < values.extent(0); sample += gridDim.x) {
    const index begin = first_row_of(row_sample, sample), end = first_row_of(row_sample, sample + 1);
    A mine = 0;
    for (index row = begin + threadIdx.x; row < end; row += blockDim.x) mine += row_values[row];
    mine = block_joined(mine, summed_up{});
    if (threadIdx.x == 0 && begin < end) values(sample) += mine;
  }
}

/// Where a second row's part of the shared memory begins.
template <class S>
[[nodiscard]] LIMBECK_HD std::size_t room_of_row(index classes) {
  return (static_cast<std::size_t>(classes) * sizeof(S) + 15) / 16 * 16;
}

/// Queues a loss on rows. body.counts(row) says whether one takes part, body(rows, row, factor, room) is called by the
/// whole block, returns the row's value in every thread and adds the gradient; `room` is shared memory of `bytes` that
/// holds anything, or null where a block gets less. Allocates nothing if every sample has one row or on.context has
/// enough workspace; waits for nothing.
template <class Body, class A, class S, class U, class G>
void launch_rows(const cuda_executor& on, const char* what, const Body& body, const logit_rows<S, U, A, cuda, G>& rows,
                 std::size_t bytes) {
  constexpr std::size_t most_room = shared_bytes_of_every_block - 4 * 1024;  // less what reductions take
  const index count = rows.count();
  if (count == 0 || (rows.values.empty() && rows.gradients.empty())) return;
  const bool kept = bytes <= most_room;
  unsigned threads = warp_size;  // about eight classes a thread
  while (threads < row_threads && static_cast<index>(threads) * 8 < rows.classes) threads *= 2;

  const bool add_up = !rows.values.empty() && !rows.row_sample.empty();
  const cuda_workspace<A> row_values(on, add_up ? count : 0);
  launch(on, what, {blocks_for(count), threads, kept ? bytes : 0}, logit_rows_kernel<Body, A, S, U, G>, body, rows,
         row_values.data(), kept);
  if (add_up)
    launch(on, what, {blocks_for(rows.values.extent(0)), sample_threads}, add_row_values_kernel<A>,
           static_cast<const A*>(row_values.data()), rows.row_sample, rows.values);
}

}  // namespace limbeck::detail
