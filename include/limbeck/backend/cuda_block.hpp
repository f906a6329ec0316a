// What the threads of a block do together. Blocks are rows of whole warps: blockDim.x is a multiple of 32.
#pragma once

#include <cstddef>

#include "limbeck/backend/cuda_executor.hpp"
#include "limbeck/backend/cuda_runtime.hpp"

namespace limbeck::detail {

inline constexpr unsigned warp_size = 32, most_warps = 32;

/// Shared memory of a block that holds N values of T. `Tag`: whose it is.
template <class Tag, class T, unsigned N>
__device__ T* shared_slots() {
#if defined(LIMBECK_CUDA_SHIM)
  return limbeck_cuda_shim::shared_slots<Tag, T, N>();
#else
  __shared__ T slots[N];
  return slots;
#endif
}

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
  struct block_memory;
  exchanged_words<T>* const of_warp = shared_slots<block_memory, exchanged_words<T>, most_warps>();
  __syncthreads();  // the slots may still be read for the last call
  if (threadIdx.x % warp_size == 0) of_warp[threadIdx.x / warp_size] = exchanged_words<T>::from(mine);
  __syncthreads();
  mine = of_warp[0].value();
  for (unsigned warp = 1; warp < blockDim.x / warp_size; ++warp) mine = join(mine, of_warp[warp].value());
  return mine;
}

#if !defined(LIMBECK_CUDA_SHIM) && defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define LIMBECK_CUDA_CLUSTERS
#endif

/// The cluster of blocks that this one belongs to (by what cooperative_groups.h is made of: that header declares a
/// namespace `cuda`, which would stand beside limbeck::cuda in every program): one alone where the kernel was not
/// compiled for clusters.
struct block_cluster {
  static constexpr unsigned most_blocks = 8;  // that every device with clusters has room for

  [[nodiscard]] __device__ static unsigned rank() {
#if defined(LIMBECK_CUDA_SHIM)
    return limbeck_cuda_shim::cluster_rank();
#elif defined(LIMBECK_CUDA_CLUSTERS)
    return __clusterRelativeBlockRank();
#else
    return 0;
#endif
  }
  [[nodiscard]] __device__ static unsigned blocks() {
#if defined(LIMBECK_CUDA_SHIM)
    return limbeck_cuda_shim::cluster_blocks();
#elif defined(LIMBECK_CUDA_CLUSTERS)
    return __clusterSizeInBlocks();
#else
    return 1;
#endif
  }
  __device__ static void sync() {
#if defined(LIMBECK_CUDA_SHIM)
    limbeck_cuda_shim::cluster_sync();
#elif defined(LIMBECK_CUDA_CLUSTERS)
    __cluster_barrier_arrive();
    __cluster_barrier_wait();
#else
    __syncthreads();
#endif
  }
  /// The same place in the shared memory of another block, which must not have ended.
  template <class T>
  [[nodiscard]] __device__ static T* of(T* mine, unsigned rank) {
#if defined(LIMBECK_CUDA_SHIM)
    return limbeck_cuda_shim::map_shared_rank(mine, rank);
#elif defined(LIMBECK_CUDA_CLUSTERS)
    return static_cast<T*>(__cluster_map_shared_rank(mine, rank));
#else
    (void)rank;
    return mine;
#endif
  }
};

/// block_joined() of all blocks of a cluster: every thread of each gets the same bits.
template <class T, class Join>
__device__ T cluster_joined(T mine, const Join& join) {
  struct cluster_memory;
  const unsigned blocks = block_cluster::blocks();
  mine = block_joined(mine, join);
  exchanged_words<T>* const of_block = shared_slots<cluster_memory, exchanged_words<T>, block_cluster::most_blocks>();
  block_cluster::sync();  // the slots may still be read for the last call
  if (threadIdx.x < blocks)
    block_cluster::of(of_block, threadIdx.x)[block_cluster::rank()] = exchanged_words<T>::from(mine);
  block_cluster::sync();
  mine = of_block[0].value();
  for (unsigned block = 1; block < blocks; ++block) mine = join(mine, of_block[block].value());
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
  /// Which team of the kernel it is, of how many, and of its block.
  [[nodiscard]] __device__ static std::ptrdiff_t number() { return blockIdx.x; }
  [[nodiscard]] __device__ static std::ptrdiff_t teams() { return gridDim.x; }
  [[nodiscard]] __device__ static unsigned number_in_block() { return 0; }
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
  [[nodiscard]] __device__ static unsigned number_in_block() { return threadIdx.x / warp_size; }
  [[nodiscard]] __device__ static std::ptrdiff_t number() {
    return static_cast<std::ptrdiff_t>(blockIdx.x) * (blockDim.x / warp_size) + number_in_block();
  }
  [[nodiscard]] __device__ static std::ptrdiff_t teams() {
    return static_cast<std::ptrdiff_t>(gridDim.x) * (blockDim.x / warp_size);
  }
};
/// ... or of a cluster of blocks, each of which keeps its own part of the row.
struct cluster_team {
  [[nodiscard]] __device__ static unsigned lane() { return block_cluster::rank() * blockDim.x + threadIdx.x; }
  [[nodiscard]] __device__ static unsigned size() { return block_cluster::blocks() * blockDim.x; }
  __device__ static void sync() { block_cluster::sync(); }
  template <class T, class Join>
  [[nodiscard]] __device__ static T joined(const T& mine, const Join& join) {
    return cluster_joined(mine, join);
  }
  [[nodiscard]] __device__ static std::ptrdiff_t number() { return blockIdx.x / block_cluster::blocks(); }
  [[nodiscard]] __device__ static std::ptrdiff_t teams() { return gridDim.x / block_cluster::blocks(); }
  [[nodiscard]] __device__ static unsigned number_in_block() { return 0; }
};

}  // namespace limbeck::detail
