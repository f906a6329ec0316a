// What the threads of a block do together. Blocks are rows of whole warps: blockDim.x is a multiple of 32.
#pragma once

#include <cstddef>

#include "limbeck/backend/cuda_executor.hpp"
#include "limbeck/backend/cuda_runtime.hpp"

namespace limbeck::detail {

inline constexpr unsigned warp_size = 32, most_warps = 32;

/// The block's dynamic shared memory, aligned to 16 bytes.
__device__ inline unsigned char* dynamic_shared() {
#if defined(LIMBECK_CUDA_SHIM)
  return limbeck_cuda_shim::dynamic_shared();
#else
  extern __shared__ __align__(16) unsigned char limbeck_dynamic_shared[];
  return limbeck_dynamic_shared;
#endif
}

/// A trivially copyable value as the 32-bit words that warps exchange.
template <class T>
struct exchanged_words {
  static_assert(sizeof(T) % 4 == 0);
  static constexpr unsigned count = sizeof(T) / 4;
  unsigned word[count];

  __device__ static exchanged_words from(const T& value) {
    exchanged_words words;
    __builtin_memcpy(words.word, &value, sizeof(T));
    return words;
  }
  __device__ T value() const {
    T made;
    __builtin_memcpy(&made, word, sizeof(T));
    return made;
  }
};

/// Joins the values of a warp's lanes; every lane gets the same bits, join(a, b) being the same as join(b, a).
template <class T, class Join>
__device__ T warp_joined(T mine, const Join& join) {
  for (unsigned apart = warp_size / 2; apart > 0; apart /= 2) {
    exchanged_words<T> words = exchanged_words<T>::from(mine);
    for (unsigned i = 0; i < exchanged_words<T>::count; ++i)
      words.word[i] = __shfl_xor_sync(0xFFFFFFFFU, words.word[i], static_cast<int>(apart));
    mine = join(mine, words.value());
  }
  return mine;
}

/// What lane `from` of the warp has.
template <class T>
__device__ T warp_told(const T& mine, int from) {
  exchanged_words<T> words = exchanged_words<T>::from(mine);
  for (unsigned i = 0; i < exchanged_words<T>::count; ++i)
    words.word[i] = __shfl_sync(0xFFFFFFFFU, words.word[i], from);
  return words.value();
}

/// Joins the values of a block's threads, in an order that depends on the number of threads alone; every thread gets
/// the same bits. To be called by all of them.
template <class T, class Join>
__device__ T block_joined(T mine, const Join& join) {
  mine = warp_joined(mine, join);
  if (blockDim.x == warp_size) return mine;
  __shared__ exchanged_words<T> of_warp[most_warps];
  __syncthreads();  // the slots may still be read for the last call
  if (threadIdx.x % warp_size == 0) of_warp[threadIdx.x / warp_size] = exchanged_words<T>::from(mine);
  __syncthreads();
  mine = of_warp[0].value();
  for (unsigned warp = 1; warp < blockDim.x / warp_size; ++warp) mine = join(mine, of_warp[warp].value());
  return mine;
}

/// Sums, for the joins above.
struct summed_up {
  template <class T>
  __device__ T operator()(T a, const T& b) const {
    return a += b;
  }
};

/// The threads that work on one row together: those of a block ...
struct block_team {
  [[nodiscard]] __device__ static unsigned lane() { return threadIdx.x; }
  [[nodiscard]] __device__ static unsigned size() { return blockDim.x; }
  __device__ static void sync() { __syncthreads(); }
  template <class T, class Join>
  [[nodiscard]] __device__ static T joined(const T& mine, const Join& join) {
    return block_joined(mine, join);
  }
};
/// ... or of a warp. Every call is one that all of a team make.
struct warp_team {
  [[nodiscard]] __device__ static unsigned lane() { return threadIdx.x % warp_size; }
  [[nodiscard]] __device__ static unsigned size() { return warp_size; }
  __device__ static void sync() { __syncwarp(); }
  template <class T, class Join>
  [[nodiscard]] __device__ static T joined(const T& mine, const Join& join) {
    return warp_joined(mine, join);
  }
};

}  // namespace limbeck::detail
