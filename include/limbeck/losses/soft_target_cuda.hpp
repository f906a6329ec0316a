// Divergences of softened class scores on a device: one kernel for all of them, a block for each row.
//
// A row whose logits fit into the block's shared memory is read once. A longer one is read twice, for the sums and for
// value and gradient; once more where the two rows nearly agree, and once more for a divergence that does not know the
// sum of its slopes.
#pragma once

#include <cmath>

#include "limbeck/losses/compared.hpp"
#include "limbeck/losses/logit_rows_cuda.hpp"
#include "limbeck/losses/softened_pair.hpp"

namespace limbeck::detail {

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

/// A row's divergence, and its gradient.
template <class D, class A>
struct soft_target_row {
  D divergence;
  A temperature;

  [[nodiscard]] __device__ bool counts(index) const { return true; }

  template <class S, class U, class G>
  __device__ A operator()(const logit_rows<S, U, A, cuda, G>& rows, index row, A factor, unsigned char* room) const {
    unsigned char* const behind = room == nullptr ? nullptr : room + room_of_row<S>(rows.classes);
    const device_pair<A, S, U> pair(device_row<A, S>(rows.student, row, reinterpret_cast<S*>(room)),
                                    device_row<A, U>(rows.teacher, row, reinterpret_cast<U*>(behind)), rows.classes,
                                    temperature);
    const A scale = factor / temperature;
    const auto add_gradient = [&](index c, A slope, A student, A slope_sum) {
      add_to_gradient(rows, row, c, scale * logit_slope(slope, student, slope_sum));
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
};

template <class D, class A, class S, class U, class G>
void soft_target_rows(cuda, const cuda_executor& on, const D& divergence, A temperature,
                      const logit_rows<S, U, A, cuda, G>& rows) {
  launch_rows(on, "soft_target", soft_target_row<D, A>{divergence, temperature}, rows,
              room_of_row<S>(rows.classes) + room_of_row<U>(rows.classes));
}

}  // namespace limbeck::detail
