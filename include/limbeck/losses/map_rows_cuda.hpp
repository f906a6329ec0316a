// The rows of attention maps on a device, a warp for each: what losses on maps share.
#pragma once

#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/losses/map_pairs.hpp"
#include "limbeck/losses/sample_slices_cuda.hpp"

namespace limbeck::detail {

template <class S, class U, class G>
void expects_heads_one_by_one(const char* loss, index compared, const pair_of_maps<S, U, G, cuda>& maps) {
  expects(compared == maps.student.heads && compared == maps.teacher.heads, [&] {
    return message(loss, ": ", maps.student.heads, " heads of the student, ", maps.teacher.heads,
                   " of the teacher; means of heads are made on the host only");
  });
}

/// The sum over the rows of a sample's maps of compare(student's row, teacher's, keys that it sees, factor, row of the
/// gradient or null), to which each lane gives its part.
template <class Compare, class A, class S, class U, class G>
struct compared_map_rows {
  mask_mode mode;
  view<const sample_rows, 1, cuda> rows;
  sample_factors<A, cuda> factors;
  pair_of_maps<S, U, G, cuda> maps;
  Compare compare;

  __device__ A operator()(index sample, index slice) const {
    const A factor = factors(sample);
    if (factor == A(0)) return A(0);
    const sample_rows of = rows(sample);
    const index counting = rows_that_count(of, mode), warps = blockDim.x / warp_size;
    A sum = 0;
    for (index i = slice * warps + threadIdx.x / warp_size; i < maps.student.heads * counting;
         i += slices_of_sample * warps) {
      const index head = i / counting, row = i % counting;
      G* const gradient = maps.gradient.empty() ? nullptr : &maps.gradient.map(sample, head)(row, 0);
      sum += compare(&maps.student.map(sample, head)(row, 0), &maps.teacher.map(sample, head)(row, 0),
                     visible_keys(of, row, maps.student.causal), factor, gradient);
    }
    return factor * sum;
  }
};

/// Queues value(sample) += that sum; `share` is what it counts before the sample's own factor.
template <class Compare, class S, class U, class A, class G>
void add_up_map_rows(const cuda_executor& on, const char* what, mask_mode mode, view<const sample_rows, 1, cuda> rows,
                     const pair_of_maps<S, U, G, cuda>& maps, const Compare& compare, double share,
                     const sink<A, cuda, G>& out) {
  const cuda_workspace<A> parts(on, slice_room(rows.extent(0)));
  add_up_samples(on, what, rows.extent(0), slice_threads,
                 compared_map_rows<Compare, A, S, U, G>{mode, rows, factors_of(out, 1 / share), maps, compare},
                 parts.data(), out.value);
}

}  // namespace limbeck::detail
