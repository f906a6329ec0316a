// Attention on a device, forward: over the keys, 32 at a time, with a softmax that is corrected as it goes.
#pragma once

#include "limbeck/ops/attention_tile_cuda.hpp"

namespace limbeck::ops::detail {

struct larger_of {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};
/// Sums of exp(score - top), scores coming one a lane.
template <class T>
struct streamed_softmax {
  T top = static_cast<T>(-INFINITY), sum = 0;

  /// exp(score - top) of this lane; what was summed before is multiplied by `rescale`. A score of -infinity is none.
  [[nodiscard]] __device__ T add(T score, T& rescale) {
    const T mine = score == score ? score : static_cast<T>(-INFINITY);  // NaN comes back with the exponential
    const T next = larger_of{}(top, limbeck::detail::warp_joined(mine, larger_of{}));
    rescale = next == top ? T(1) : exp(top - next);
    top = next;
    const T e = score == static_cast<T>(-INFINITY) ? T(0) : exp(score - top);
    sum = sum * rescale + limbeck::detail::warp_joined(e, limbeck::detail::summed_up{});
    return e;
  }
  [[nodiscard]] __device__ T log_sum() const { return top + log(sum); }
};

/// Scores of the warp's rows with the key that this lane met, -infinity where they do not see it.
template <class T>
[[nodiscard]] __device__ of_rows<T> scores_of(const attention_on_device<T>& of, const tile_of_head& h,
                                              const attention_room<T>& room, index key) {
  of_rows<T> s = products(room.own(room.rows), room.met(room.chunk), room.width);
  for (int r = 0; r < rows_of_warp; ++r)
    s.at[r] = of.sees(h, h.first + room.row(r), key) ? s.at[r] * of.scale() : static_cast<T>(-INFINITY);
  return s;
}
template <int Parts, class T>
__global__ void __launch_bounds__(attention_threads, 1)
    attention_forward_kernel(attention_on_device<T> of, view<T, 2, cuda> context, view<T, 2, cuda> log_sum,
                             kept_maps<T> maps) {
  const attention_room<T> room(of.width);
  const bool maps_alone = of.in.v.empty();
  for (index b = blockIdx.x; b < of.count; b += gridDim.x) {
    const tile_of_head h = of.tile(b);
    if (h.first >= h.queries.length) continue;
    const index left = h.queries.length - h.first;
    of.queries(h, {}).stay(room, h.first);
    streamed_softmax<T> softmax[rows_of_warp];
    T sum[rows_of_warp][Parts] = {};
    for (index first = 0; first < h.keys.keys; first += rows_of_chunk) {
      of.keys(h, of.in.v).come(room, first);
      const index key = first + room.lane();
      const of_rows<T> s = scores_of(of, h, room, key);
      for (int r = 0; r < rows_of_warp; ++r) {
        const index query = h.first + room.row(r);
        if (!maps.scores.empty() && of.sees(h, query, key)) maps.scores.map(h.sample, h.head)(query, key) = s.at[r];
        T rescale;
        const T e = softmax[r].add(s.at[r], rescale);
        for (int part = 0; part < Parts; ++part) sum[r][part] *= rescale;
        const T factor = e == T(0) ? T(0) : of.factor(h, query, key);
        room.told[room.lane() * rows_of_warp + r] = factor == T(0) ? T(0) : factor * e;  // 0 even if e is NaN
      }
      __syncwarp();
      if (!maps_alone) add_told(room.told, room.more_chunk, in_chunk(first, h.keys.keys), of.width, sum);
    }
    for (int r = 0; r < rows_of_warp && !maps_alone; ++r) {
      const int row = room.row(r);
      if (row >= left) continue;
      const index token = h.queries.begin + h.first + row;
      const T by = softmax[r].sum == T(0) ? T(0) : T(1) / softmax[r].sum;  // no key
      hand_out(context, token, h.head, of.width, by, sum[r]);
      if (room.lane() == 0) log_sum(token, h.head) = softmax[r].log_sum();
    }
    for (index first = 0; !maps.probabilities.empty() && first < h.keys.keys; first += rows_of_chunk) {
      of.keys(h, {}).come(room, first);
      const index key = first + room.lane();
      const of_rows<T> s = scores_of(of, h, room, key);
      for (int r = 0; r < rows_of_warp; ++r)
        if (const index query = h.first + room.row(r); of.sees(h, query, key))
          maps.probabilities.map(h.sample, h.head)(query, key) = exp(s.at[r] - softmax[r].log_sum());
    }
  }
}

template <class T>
void attention_forward(cuda, const cuda_executor& on, const attention_shape& shape, const attention_rows<cuda>& rows,
                       const attention_input<T, cuda>& in, view<T, 2, cuda> context, view<T, 2, cuda> log_sum,
                       const square_blocks<T, cuda>& scores, const square_blocks<T, cuda>& probabilities) {
  const attention_on_device<T> of(shape, rows, in);
  for_parts(of.width, [&](auto parts) {
    launch(on, "attention", of.blocks(), attention_forward_kernel<parts.value, T>, of, context, log_sum,
           kept_maps<T>{scores, probabilities});
  });
}

}  // namespace limbeck::ops::detail
