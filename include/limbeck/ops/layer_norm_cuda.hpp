// Layer normalisation on a device: a block for each row, which stays on chip where it fits.
#pragma once

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/backend/cuda_fours.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/ops/column_sums_cuda.hpp"
#include "limbeck/ops/dropout_cuda.hpp"
#include "limbeck/ops/norm_input.hpp"

namespace limbeck::ops::detail {

inline constexpr unsigned most_norm_threads = 256;

/// A thread for each four columns, as far as there are so many.
[[nodiscard]] inline unsigned norm_threads(index width) {
  const index warps = (width + 127) / 128, most = most_norm_threads / 32;
  return static_cast<unsigned>(32 * (warps < 1 ? 1 : warps < most ? warps : most));
}
/// The four columns of a row that a thread has in turn: calls body(first column, columns here).
template <class Body>
__device__ void for_own_fours(index width, const Body& body) {
  for (index c = 4 * static_cast<index>(threadIdx.x); c < width; c += 4 * static_cast<index>(blockDim.x))
    body(c, width - c < 4 ? width - c : 4);
}

/// Where a row goes, and what the backward pass needs of it.
template <class T>
struct norm_output {
  view<T, 2, cuda> normalised;
  view<T, 1, cuda> spread;
  view<T, 2, cuda> y;
};

/// kept: a block's shared memory holds a row. Else the sums of a residual and its branch wait in y.
template <class T>
__global__ void __launch_bounds__(most_norm_threads)
    layer_norm_kernel_cuda(norm_input<T, cuda> in, T epsilon, const T* gain, const T* bias, norm_output<T> out,
                           bool kept) {
  const index width = in.x.extent(1);
  for (index r = blockIdx.x; r < in.x.extent(0); r += gridDim.x) {
    T* const row = kept ? reinterpret_cast<T*>(limbeck::detail::dynamic_shared()) : row_at(out.y, r, 0);
    T mine = 0;
    for_own_fours(width, [&](index c, index here) {  // a thread reads only what it wrote
      const four<T> x = dropped_onto(in.drop, in.x, in.residual, r, c, here);
      store_four(row + c, here, x);
      for (int i = 0; i < 4; ++i) mine += x.at[i];
    });
    const T mean = limbeck::detail::block_joined(mine, limbeck::detail::summed_up{}) / static_cast<T>(width);
    mine = 0;
    for_own_fours(width, [&](index c, index here) {
      for (int i = 0; i < here; ++i) mine += (row[c + i] - mean) * (row[c + i] - mean);
    });
    const T variance = limbeck::detail::block_joined(mine, limbeck::detail::summed_up{}) / static_cast<T>(width);
    const T factor = T(1) / sqrt(variance + epsilon);
    if (threadIdx.x == 0 && !out.spread.empty()) out.spread(r) = factor;
    for_own_fours(width, [&](index c, index here) {
      four<T> n = load_four(static_cast<const T*>(row + c), here);
      const four<T> by = load_four(gain + c, here), plus = load_four(bias + c, here);
      for (int i = 0; i < 4; ++i) n.at[i] = (n.at[i] - mean) * factor;
      if (!out.normalised.empty()) store_four(row_at(out.normalised, r, c), here, n);
      for (int i = 0; i < 4; ++i) n.at[i] = n.at[i] * by.at[i] + plus.at[i];
      store_four(row_at(out.y, r, c), here, n);
    });
  }
}

template <class T>
void layer_norm_rows(cuda, const cuda_executor& on, const norm_input<T, cuda>& in, T epsilon,
                     view<const T, 1, cuda> gain, view<const T, 1, cuda> bias, view<T, 2, cuda> normalised,
                     view<T, 1, cuda> spread, view<T, 2, cuda> y) {
  constexpr std::size_t most_room = shared_bytes_of_every_block - 8 * 1024;  // less what reductions take
  const std::size_t room = static_cast<std::size_t>(y.extent(1)) * sizeof(T);
  const bool kept = room <= most_room;
  launch(on, "layer_norm", {blocks_for(y.extent(0)), norm_threads(y.extent(1)), kept ? room : 0},
         layer_norm_kernel_cuda<T>, in, epsilon, gain.data(), bias.data(), norm_output<T>{normalised, spread, y}, kept);
}

/// What a row's gradient is made of.
template <class T>
struct norm_gradient {
  view<const T, 2, cuda> normalised;
  view<const T, 1, cuda> spread;
  const T* gain;
  view<const T, 2, cuda> dy;
  view<T, 2, cuda> dx;
  dropping<T> drop;
  view<T, 2, cuda> branch;
};

/// The sums over a row of dy gain and of dy gain n.
template <class T>
struct through_norm {
  T all, along;

  LIMBECK_HD through_norm& operator+=(const through_norm& other) {
    all += other.all;
    along += other.along;
    return *this;
  }
};

template <class T>
__global__ void __launch_bounds__(most_norm_threads) layer_norm_backward_kernel_cuda(norm_gradient<T> of) {
  const index width = of.dy.extent(1);
  for (index r = blockIdx.x; r < of.dy.extent(0); r += gridDim.x) {
    through_norm<T> mine{0, 0};
    for_own_fours(width, [&](index c, index here) {
      const four<T> g = load_four(row_at(of.dy, r, c), here), n = load_four(row_at(of.normalised, r, c), here);
      const four<T> gain = load_four(of.gain + c, here);
      for (int i = 0; i < 4; ++i) mine += through_norm<T>{g.at[i] * gain.at[i], g.at[i] * gain.at[i] * n.at[i]};
    });
    mine = limbeck::detail::block_joined(mine, limbeck::detail::summed_up{});
    const T mean = mine.all / static_cast<T>(width), along = mine.along / static_cast<T>(width), by = of.spread(r);
    for_own_fours(width, [&](index c, index here) {
      four<T> g = load_four(row_at(of.dy, r, c), here);
      const four<T> n = load_four(row_at(of.normalised, r, c), here), gain = load_four(of.gain + c, here);
      for (int i = 0; i < 4; ++i) g.at[i] = (g.at[i] * gain.at[i] - mean - n.at[i] * along) * by;
      store_four(row_at(of.dx, r, c), here, g);
      if (!of.branch.empty()) store_four(row_at(of.branch, r, c), here, dropped_four(of.drop, r, c, width, g));
    });
  }
}

template <class T>
void layer_norm_rows_backward(cuda, const cuda_executor& on, view<const T, 2, cuda> normalised,
                              view<const T, 1, cuda> spread, view<const T, 1, cuda> gain, view<const T, 2, cuda> dy,
                              view<T, 2, cuda> dx, const dropping<T>& drop, view<T, 2, cuda> branch) {
  launch(on, "layer_norm, backward", {blocks_for(dy.extent(0)), norm_threads(dy.extent(1))},
         layer_norm_backward_kernel_cuda<T>, norm_gradient<T>{normalised, spread, gain.data(), dy, dx, drop, branch});
}

/// dgain and dbias of a column.
template <class T>
struct norm_parameter_terms {
  using sum = through_norm<T>;
  view<const T, 2, cuda> normalised, dy;
  view<T, 1, cuda> dgain, dbias;

  __device__ sum at(index r, index c) const { return {dy(r, c), dy(r, c) * normalised(r, c)}; }
  __device__ void add(index c, const sum& total) const {
    dgain(c) += total.along;
    dbias(c) += total.all;
  }
};

template <class T>
void layer_norm_parameters(cuda, const cuda_executor& on, view<const T, 2, cuda> normalised, view<const T, 2, cuda> dy,
                           view<T, 1, cuda> dgain, view<T, 1, cuda> dbias) {
  sum_columns(on, "layer_norm, parameters", dy.extent(0), dy.extent(1),
              norm_parameter_terms<T>{normalised, dy, dgain, dbias});
}

}  // namespace limbeck::ops::detail
