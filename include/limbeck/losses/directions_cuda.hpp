// The directions of states compared on a device: a block for each row.
#pragma once

#include "limbeck/losses/directions.hpp"
#include "limbeck/losses/hidden_states_cuda.hpp"

namespace limbeck::detail {

template <class A>
struct product_sums {
  A student = 0, both = 0, teacher = 0;

  __device__ product_sums& operator+=(const product_sums& other) {
    student += other.student;
    both += other.both;
    teacher += other.teacher;
    return *this;
  }
};

/// The gap of two rows, in every thread; adds factor times its slope where `gradient` is not null. To be called by the
/// whole block.
template <class A, class S, class U, class G>
__device__ direction_gap<A> compare_directions_of(const S* s, const U* t, index width, A factor, G* gradient) {
  product_sums<A> sums;
  for (index c = threadIdx.x; c < width; c += blockDim.x) {
    const A mine = static_cast<A>(s[c]), theirs = static_cast<A>(t[c]);
    sums += product_sums<A>{mine * mine, mine * theirs, theirs * theirs};
  }
  sums = block_joined(sums, summed_up{});
  compared_directions<A> here(sums.student, sums.both, sums.teacher);
  if (here.near()) {
    A squares = 0;
    for (index c = threadIdx.x; c < width; c += blockDim.x) {
      const A d = along_one(static_cast<A>(s[c]), static_cast<A>(t[c]), here.ratio);
      squares += d * d;
    }
    here.take_difference(block_joined(squares, summed_up{}));
  }
  const direction_gap<A> gap = here.gap();
  for (index c = threadIdx.x; gap.both && gradient != nullptr && c < width; c += blockDim.x)
    gradient[c] = static_cast<G>(
        static_cast<A>(gradient[c]) +
        factor / here.student * direction_slope(static_cast<A>(s[c]), static_cast<A>(t[c]), here.ratio, here.apart));
  return gap;
}

/// The sum over the rows of a sample that count of value_of(gap); `most`: of at most so many rows, from the first on.
template <class Value, class A, class S, class U, class G>
struct directed_states {
  state_samples<A> samples;
  view<const S, 2, cuda> student;
  view<const U, 2, cuda> teacher;
  view<G, 2, cuda> gradient;

  __device__ A operator()(index sample, index slice) const {
    const A factor = samples.factors(sample);
    if (factor == A(0)) return A(0);
    const index begin = samples.rows(sample).begin, shown = samples.teacher_rows(sample).begin;
    const index counting = samples.counting(sample), end = counting < Value::most_rows ? counting : Value::most_rows;
    A sum = 0;
    for (index r = slice; r < end; r += slices_of_sample)
      sum += Value::of(compare_directions_of(&student(begin + r, 0), &teacher(shown + r, 0), student.extent(1), factor,
                                             gradient.empty() ? static_cast<G*>(nullptr) : &gradient(begin + r, 0)));
    return threadIdx.x == 0 ? factor * sum : A(0);  // every thread has it
  }
};

template <class Compare, class A, class S, class U, class G>
  requires Compare::compares_directions
struct states_on_device<Compare, A, S, U, G> {
  using body = directed_states<Compare, A, S, U, G>;
};

}  // namespace limbeck::detail
