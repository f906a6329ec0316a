// The directions of first tokens compared on a device.
#pragma once

#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/losses/directions_cuda.hpp"

namespace limbeck::detail {

/// |s / |s| - t / |t||^2 of a sample's first row.
struct first_direction {
  static constexpr index most_rows = 1;

  template <class A>
  [[nodiscard]] __device__ static A of(const direction_gap<A>& gap) {
    return gap.half_square;
  }
};

template <class S, class U, class A, class G>
void patience_layer(cuda, const cuda_executor& on, view<const sample_rows, 1, cuda> rows,
                    view<const sample_rows, 1, cuda> teacher_rows, view<const S, 2, cuda> student,
                    view<const U, 2, cuda> teacher, view<G, 2, cuda> gradient, double count,
                    const sink<A, cuda, G>& out) {
  const cuda_workspace<A> parts(on, slice_room(rows.extent(0)));
  const state_samples<A> samples{mask_mode::exact, rows, teacher_rows, factors_of(out, count / 2)};
  add_up_samples(on, "patience", rows.extent(0), student.extent(1),
                 directed_states<first_direction, A, S, U, G>{samples, student, teacher, gradient}, parts.data(),
                 out.value);
}

}  // namespace limbeck::detail
