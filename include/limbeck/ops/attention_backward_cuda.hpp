// Attention on a device, backward: the gradient of queries over the keys, those of keys and values over the queries, so
// that every sum has one order and no two blocks write to one place.
#pragma once

#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/ops/attention_tile_cuda.hpp"

namespace limbeck::ops::detail {

/// What flows back, and where to.
template <class T>
struct attention_backward {
  view<const T, 2, cuda> log_sum, dcontext;
  kept_maps<const T> maps;
  attention_gradient<T, cuda> out;
  T* through;  ///< [tokens, heads]: of each query row, the sum over its keys of probability times gradient
};

/// A probability, what flows back to it, and what its dropout multiplied it with.
template <class T>
struct probability_back {
  T p, dp, factor;

  /// scores: of query and key; flow: d context of the query times the value of the key.
  __device__ static probability_back of(const attention_on_device<T>& call, const attention_backward<T>& back,
                                        const tile_of_head& h, index query, index key, T product, T flow) {
    if (!call.sees(h, query, key)) return {T(0), T(0), T(0)};
    const T factor = call.factor(h, query, key);
    const T p = exp(product * call.scale() - back.log_sum(h.queries.begin + query, h.head));
    T dp = factor == T(0) ? T(0) : flow * factor;
    if (!back.maps.probabilities.empty()) dp += back.maps.probabilities.map(h.sample, h.head)(query, key);
    return {p, dp, factor};
  }
  /// d score, given the sum of p dp over the row.
  __device__ T dscore(const attention_on_device<T>& call, const attention_backward<T>& back, const tile_of_head& h,
                      index query, index key, T through) const {
    if (!call.sees(h, query, key)) return T(0);
    const T d = p * (dp - through);
    return back.maps.scores.empty() ? d : d + back.maps.scores.map(h.sample, h.head)(query, key);
  }
};

/// dq, and the sums that the other kernel needs.
template <int Parts, class T>
__global__ void __launch_bounds__(attention_threads, 1)
    attention_query_gradient_kernel(attention_on_device<T> of, attention_backward<T> back) {
  const attention_room<T> room(of.width);
  for (index b = blockIdx.x; b < of.count; b += gridDim.x) {
    const tile_of_head h = of.tile(b);
    if (h.first >= h.queries.length) continue;
    const index left = h.queries.length - h.first, begin = h.queries.begin + h.first;
    of.queries(h, back.dcontext).stay(room, h.first);
    T through[rows_of_warp] = {}, sum[rows_of_warp][Parts] = {};
    const auto over_keys = [&](const auto& take, const auto& after_chunk) {
      for (index first = 0; first < h.keys.keys; first += rows_of_chunk) {
        of.keys(h, of.in.v).come(room, first);
        const index key = first + room.lane();
        const of_rows<T> s = products(room.own(room.rows), room.met(room.chunk), of.width);
        const of_rows<T> flow = products(room.own(room.more_rows), room.met(room.more_chunk), of.width);
        for (int r = 0; r < rows_of_warp; ++r) {
          const index query = h.first + room.row(r);
          take(r, query, key, probability_back<T>::of(of, back, h, query, key, s.at[r], flow.at[r]));
        }
        after_chunk(in_chunk(first, h.keys.keys));
      }
    };
    over_keys([&](int r, index, index, const probability_back<T>& x) { through[r] += x.p * x.dp; }, [](int) {});
    for (int r = 0; r < rows_of_warp; ++r)
      through[r] = limbeck::detail::warp_joined(through[r], limbeck::detail::summed_up{});
    over_keys(
        [&](int r, index query, index key, const probability_back<T>& x) {
          room.told[room.lane() * rows_of_warp + r] = x.dscore(of, back, h, query, key, through[r]);
        },
        [&](int count) {
          __syncwarp();
          add_told(room.told, room.chunk, count, of.width, sum);
        });
    for (int r = 0; r < rows_of_warp; ++r) {
      const int row = room.row(r);
      if (row >= left) continue;
      hand_out(back.out.dq, begin + row, h.head, of.width, of.scale(), sum[r]);
      if (room.lane() == 0) back.through[(begin + row) * of.shape.heads + h.head] = through[r];
    }
  }
}

/// dk and dv. Rows behind the keys (padded rows of `tinybert_zeroing`) are queries only: zeros.
template <int Parts, class T>
__global__ void __launch_bounds__(attention_threads, 1)
    attention_key_gradient_kernel(attention_on_device<T> of, attention_backward<T> back) {
  const attention_room<T> room(of.width);
  for (index b = blockIdx.x; b < of.count; b += gridDim.x) {
    const tile_of_head h = of.tile(b);
    if (h.first >= h.keys.length) continue;
    const index begin = h.keys.begin + h.first;
    of.keys(h, of.in.v).stay(room, h.first);
    T dkey[rows_of_warp][Parts] = {}, dvalue[rows_of_warp][Parts] = {};
    for (index first = 0; first < h.queries.length; first += rows_of_chunk) {
      of.queries(h, back.dcontext).come(room, first);
      const index query = first + room.lane();
      const int width = of.width;
      const of_rows<T> s = products(room.own(room.rows), room.met(room.chunk), width);
      const of_rows<T> flow = products(room.own(room.more_rows), room.met(room.more_chunk), width);
      const T through =
          query < h.queries.length ? back.through[(h.queries.begin + query) * of.shape.heads + h.head] : T(0);
      for (int r = 0; r < rows_of_warp; ++r) {
        const index key = h.first + room.row(r), place = room.lane() * rows_of_warp + r;
        const auto x = probability_back<T>::of(of, back, h, query, key, s.at[r], flow.at[r]);
        room.told[place] = x.dscore(of, back, h, query, key, through);
        room.more_told[place] = x.factor == T(0) ? T(0) : x.factor * x.p;
      }
      __syncwarp();
      const int here = in_chunk(first, h.queries.length);
      add_told(room.told, room.chunk, here, width, dkey);
      add_told(room.more_told, room.more_chunk, here, width, dvalue);
    }
    for (int r = 0; r < rows_of_warp; ++r) {
      const int row = room.row(r);
      if (h.first + row >= h.keys.length) continue;
      hand_out(back.out.dk, begin + row, h.head, of.width, of.scale(), dkey[r]);
      hand_out(back.out.dv, begin + row, h.head, of.width, T(1), dvalue[r]);
    }
  }
}

/// Workspace: a number for each query row and head.
template <class T>
void attention_backward_samples(cuda, const cuda_executor& on, const attention_shape& shape,
                                const attention_rows<cuda>& rows, const attention_input<T, cuda>& in,
                                view<const T, 2, cuda> log_sum, view<const T, 2, cuda> dcontext,
                                const square_blocks<const T, cuda>& dscores,
                                const square_blocks<const T, cuda>& dprobabilities,
                                const attention_gradient<T, cuda>& out) {
  const attention_on_device<T> of(shape, rows, in);
  const cuda_workspace<T> through(on, in.q.extent(0) * shape.heads);
  const attention_backward<T> back{log_sum, dcontext, {dscores, dprobabilities}, out, through.data()};
  for_parts(of.width, [&](auto parts) {
    launch(on, "attention, gradient of queries", of.blocks(), attention_query_gradient_kernel<parts.value, T>, of,
           back);
    launch(on, "attention, gradient of keys", of.blocks(), attention_key_gradient_kernel<parts.value, T>, of, back);
  });
}

}  // namespace limbeck::ops::detail
