// A row that weighs those of several layers by how alike they are, on a device: what ALP-KD and Universal-KD share.
#pragma once

#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/losses/layer_attention.hpp"

namespace limbeck::detail {

/// The attended layers' rows, as they travel with a kernel. What takes a row is to be called by a whole block.
template <class U>
struct layers_on_device {
  int count = 0;
  const U* layer[max_layers] = {};
  index step[max_layers] = {};
  double log_weight[max_layers] = {};

  void add(view<const U, 2, cuda> rows, double log_weight_of_it) {
    layer[count] = rows.data();
    step[count] = rows.stride(0);
    log_weight[count++] = log_weight_of_it;
  }
  [[nodiscard]] __device__ double at(int i, index r, index c) const {
    return static_cast<double>((layer[i] + r * step[i])[c]);
  }
  /// The product of number(column) with row r of layer i, in every thread.
  template <class Number>
  [[nodiscard]] __device__ double dot(int i, index r, index width, const Number& number) const {
    double mine = 0;
    for (index c = threadIdx.x; c < width; c += blockDim.x) mine += number(c) * at(i, r, c);
    return block_joined(mine, summed_up{});
  }
  /// weight[i] = softmax over the layers of scale * <state, row r> + log_weight[i], in shared memory.
  template <class State>
  __device__ void attend(double scale, index r, index width, const State& state, double* weight) const {
    for (int i = 0; i < count; ++i) {
      const double product = dot(i, r, width, state);
      if (threadIdx.x == 0) weight[i] = scale * product + log_weight[i];
    }
    if (threadIdx.x == 0) {
      double top = weight[0], sum = 0;
      for (int i = 1; i < count; ++i) top = max(top, weight[i]);
      for (int i = 0; i < count; ++i) sum += weight[i] = exp(weight[i] - top);
      for (int i = 0; i < count; ++i) weight[i] /= sum;
    }
    __syncthreads();
  }
  [[nodiscard]] __device__ double mixed(const double* weight, index r, index c) const {
    double sum = 0;
    for (int i = 0; i < count; ++i) sum += weight[i] * at(i, r, c);
    return sum;
  }
  /// along[i] = the slope by weight[i] less the mean of all, in shared memory, for the slope by the mixture's columns.
  template <class Slope>
  __device__ void slopes_of_weights(index r, index width, const Slope& slope, const double* weight,
                                    double* along) const {
    for (int i = 0; i < count; ++i) {
      const double product = dot(i, r, width, slope);
      if (threadIdx.x == 0) along[i] = product;
    }
    if (threadIdx.x == 0) {
      double mean = 0;
      for (int i = 0; i < count; ++i) mean += weight[i] * along[i];
      for (int i = 0; i < count; ++i) along[i] -= mean;
    }
    __syncthreads();
  }
  /// What flows back to a column of the state.
  [[nodiscard]] __device__ double back(double scale, const double* weight, const double* along, index r,
                                       index c) const {
    double sum = 0;
    for (int i = 0; i < count; ++i) sum += weight[i] * along[i] * at(i, r, c);
    return scale * sum;
  }
};

}  // namespace limbeck::detail
