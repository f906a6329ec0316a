// The squared difference of attention maps on a device: a warp for each row of a map.
#pragma once

#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/losses/map_pairs.hpp"
#include "limbeck/losses/row_output.hpp"
#include "limbeck/losses/sample_slices_cuda.hpp"
#include "limbeck/losses/squared_difference.hpp"

namespace limbeck::detail {

template <bool Zeroing, class A, class S, class U, class G>
struct squared_maps {
  using formula = squared_difference<Zeroing>;
  mask_mode mode;
  view<const sample_rows, 1, cuda> rows;
  sample_factors<A, cuda> factors;
  pair_of_maps<S, U, G, cuda> maps;

  __device__ A operator()(index sample, index slice) const {
    const A factor = factors(sample);
    const sample_rows of = rows(sample);
    const index counting = rows_that_count(of, mode), warps = blockDim.x / warp_size;
    if (factor == A(0)) return A(0);
    A sum = 0;
    for (index i = slice * warps + threadIdx.x / warp_size; i < maps.student.heads * counting;
         i += slices_of_sample * warps)
      sum += row_error(sample, i / counting, i % counting, visible_keys(of, i % counting, maps.student.causal), factor);
    return factor * sum;
  }

 private:
  __device__ A row_error(index sample, index head, index row, index visible, A factor) const {
    const view<const S, 2, cuda> mine = maps.student.map(sample, head);
    const view<const U, 2, cuda> theirs = maps.teacher.map(sample, head);
    const A floor = static_cast<A>(zeroing_floor);
    A sum = 0;
    for (index c = threadIdx.x % warp_size; c < visible; c += warp_size) {
      const A s = static_cast<A>(mine(row, c)), d = formula::difference(s, static_cast<A>(theirs(row, c)), floor);
      sum += d * d;
      if (maps.gradient.empty()) continue;
      G& to = maps.gradient.map(sample, head)(row, c);
      to = static_cast<G>(static_cast<A>(to) + formula::passed(s, A(2) * factor * d, floor));
    }
    return sum;
  }
};

/// As on the host, for models of as many heads each.
template <class S, class U, class A, class G>
void attention_mse_layer(cuda, const cuda_executor& on, mask_mode mode, index compared,
                         view<const sample_rows, 1, cuda> rows, const pair_of_maps<S, U, G, cuda>& maps, double share,
                         row_output how, const sink<A, cuda, G>& out) {
  expects(compared == maps.student.heads && compared == maps.teacher.heads, [&] {
    return message("attention_mse: ", maps.student.heads, " heads of the student, ", maps.teacher.heads,
                   " of the teacher; means of heads are made on the host only");
  });
  expects(how == row_output::add,
          "attention_mse: on a device gradients are added to; give zeros, not gradient_holds::anything");
  const sample_factors<A, cuda> factors = factors_of(out, 1 / share);
  const cuda_workspace<A> parts(on, slice_room(rows.extent(0)));
  const auto add_up = [&](const auto& body) {
    add_up_samples(on, "attention_mse", rows.extent(0), slice_threads, body, parts.data(), out.value);
  };
  if (mode == mask_mode::tinybert_zeroing)
    add_up(squared_maps<true, A, S, U, G>{mode, rows, factors, maps});
  else
    add_up(squared_maps<false, A, S, U, G>{mode, rows, factors, maps});
}

}  // namespace limbeck::detail
