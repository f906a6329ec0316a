// Divergences of softened class scores on a device: one kernel for all of them, a block for each row.
//
// A row whose logits fit into the block's shared memory is read once. A longer one is read twice, for the sums and for
// value and gradient; once more where the two rows nearly agree, and once more for a divergence that does not know the
// sum of its slopes.
#pragma once

#include <cmath>

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/backend/cuda_launch.hpp"
#include "limbeck/core/half.hpp"
#include "limbeck/losses/compared.hpp"
#include "limbeck/losses/logit_rows.hpp"
#include "limbeck/losses/softened_pair.hpp"

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

/// What a first look at two rows gives.
template <class A>
struct first_look {
  running_softmax<A> student, teacher;
  A least, most;  // z - z_t, of the classes that not both rule out

  [[nodiscard]] LIMBECK_HD static first_look none() {
    return {running_softmax<A>::none(), running_softmax<A>::none(), static_cast<A>(INFINITY),
            static_cast<A>(-INFINITY)};
  }
  LIMBECK_HD void add(A z, A zt, A inverse_temperature) {
    student.add(z, inverse_temperature);
    teacher.add(zt, inverse_temperature);
    least = min(least, z - zt);
    most = max(most, z - zt);
  }
  [[nodiscard]] LIMBECK_HD static first_look joined(const first_look& a, const first_look& b, A inverse_temperature) {
    return {running_softmax<A>::joined(a.student, b.student, inverse_temperature),
            running_softmax<A>::joined(a.teacher, b.teacher, inverse_temperature), min(a.least, b.least),
            max(a.most, b.most)};
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

/// Two rows as distributions, class by class.
template <class A, class S, class U>
class device_pair {
 public:
  /// To be called by the whole block, as are the sums below.
  __device__ device_pair(const device_row<A, S>& student, const device_row<A, U>& teacher, index classes, A temperature)
      : student_(student), teacher_(teacher), classes_(classes) {
    const A inverse_temperature = A(1) / temperature;
    first_look<A> seen = first_look<A>::none();
    for (index c = threadIdx.x; c < classes; c += blockDim.x)
      seen.add(student.first(c), teacher.first(c), inverse_temperature);
    seen = block_joined(seen, [&](const first_look<A>& a, const first_look<A>& b) {
      return first_look<A>::joined(a, b, inverse_temperature);
    });
    pair_.inverse_temperature = inverse_temperature;
    pair_.student_top = seen.student.top;
    pair_.teacher_top = seen.teacher.top;
    pair_.take_sums(seen.student.sum, seen.teacher.sum);
    pair_.take_range(seen.least, seen.most);
    pair_.take_drift(pair_.nearly_agree() ? sum_moved() : A(0));
  }

  [[nodiscard]] __device__ compared<A> operator[](index c) const {
    const A z = student_[c], zt = teacher_[c];
    return pair_.at(z, zt, exp(pair_.student_exponent(z)), exp(pair_.teacher_exponent(zt)), pair_.apart(z - zt));
  }

 private:
  __device__ A sum_moved() const {
    A mine = 0;
    for (index c = threadIdx.x; c < classes_; c += blockDim.x) {
      const A z = student_[c], zt = teacher_[c];
      mine += pair_.moved(exp(pair_.teacher_exponent(zt)) * pair_.teacher_scale, pair_.apart(z - zt));
    }
    return block_joined(mine, summed_up{});
  }

  device_row<A, S> student_;
  device_row<A, U> teacher_;
  index classes_;
  softened_pair<A> pair_;
};

/// Where the teacher's part of the shared memory begins.
template <class S>
[[nodiscard]] LIMBECK_HD std::size_t teacher_room(index classes) {
  return (static_cast<std::size_t>(classes) * sizeof(S) + 15) / 16 * 16;
}

/// The row's divergence, in every thread; adds the gradient. To be called by the whole block.
template <class D, class A, class S, class U, class G>
__device__ A soft_target_row(const D& divergence, A temperature, const logit_rows<S, U, A, cuda, G>& rows, index row,
                             A factor, bool kept) {
  unsigned char* const room = dynamic_shared();
  const device_pair<A, S, U> pair(
      device_row<A, S>(rows.student, row, kept ? reinterpret_cast<S*>(room) : nullptr),
      device_row<A, U>(rows.teacher, row, kept ? reinterpret_cast<U*>(room + teacher_room<S>(rows.classes)) : nullptr),
      rows.classes, temperature);
  const A scale = factor / temperature;
  const auto add_gradient = [&](index c, A slope, A student, A slope_sum) {
    G& to = rows.gradients(row, c);
    to = static_cast<G>(static_cast<A>(to) + scale * logit_slope(slope, student, slope_sum));
  };
  const bool wanted = !rows.gradients.empty();
  divergence_term<A> mine{0, 0};
  if constexpr (requires { D::slope_sum; }) {
    constexpr A slope_sum = static_cast<A>(D::slope_sum);
    for (index c = threadIdx.x; c < rows.classes; c += blockDim.x) {
      const compared<A> at = pair[c];
      const divergence_term<A> term = divergence(at);
      mine.value += term.value;
      if (wanted) add_gradient(c, term.slope, at.student, slope_sum);
    }
    return block_joined(mine.value, summed_up{});
  } else {
    for (index c = threadIdx.x; c < rows.classes; c += blockDim.x) mine += divergence(pair[c]);
    mine = block_joined(mine, summed_up{});
    for (index c = threadIdx.x; wanted && c < rows.classes; c += blockDim.x) {
      const compared<A> at = pair[c];
      add_gradient(c, divergence(at).slope, at.student, mine.slope);
    }
    return mine.value;
  }
}

inline constexpr unsigned row_threads = 512, sample_threads = 128;

/// Blocks take rows in turn. The value of each goes to row_values, or where that is null to the row's sample, which
/// must then have no other row.
template <class D, class A, class S, class U, class G>
__global__ void __launch_bounds__(row_threads, 1)
    soft_target_block_kernel(D divergence, A temperature, logit_rows<S, U, A, cuda, G> rows, A* row_values, bool kept) {
  for (index row = blockIdx.x; row < rows.count(); row += gridDim.x) {
    const A factor = rows.factor(row);
    A value = 0;
    if (factor != A(0)) value = factor * soft_target_row(divergence, temperature, rows, row, factor, kept);
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

/// Allocates nothing if every sample has one row or on.context has enough workspace; waits for nothing.
template <class D, class A, class S, class U, class G>
void soft_target_rows(cuda, const cuda_executor& on, const D& divergence, A temperature,
                      const logit_rows<S, U, A, cuda, G>& rows) {
  constexpr std::size_t most_room = shared_bytes_of_every_block - 4 * 1024;  // less what reductions take
  const index count = rows.count();
  if (count == 0 || (rows.values.empty() && rows.gradients.empty())) return;
  const std::size_t room = teacher_room<S>(rows.classes) + static_cast<std::size_t>(rows.classes) * sizeof(U);
  const bool kept = room <= most_room;
  unsigned threads = warp_size;  // about eight classes a thread
  while (threads < row_threads && static_cast<index>(threads) * 8 < rows.classes) threads *= 2;

  const bool add_up = !rows.values.empty() && !rows.row_sample.empty();
  const cuda_workspace<A> row_values(on, add_up ? count : 0);
  launch(on, "soft_target", {blocks_for(count), threads, kept ? room : 0}, soft_target_block_kernel<D, A, S, U, G>,
         divergence, temperature, rows, row_values.data(), kept);
  if (add_up)
    launch(on, "soft_target: sums of samples", {blocks_for(rows.values.extent(0)), sample_threads},
           add_row_values_kernel<A>, static_cast<const A*>(row_values.data()), rows.row_sample, rows.values);
}

}  // namespace limbeck::detail
