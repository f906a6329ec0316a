// Where memory lies (tags), and who works on it (executors).
#pragma once

#include <concepts>

struct CUstream_st;  // what cudaStream_t points to; spares host builds the CUDA headers

namespace limbeck {

/// Tags of places. Empty: they choose types and overloads.
struct cpu {};
struct cuda {};

/// Opt-in, so that a stray template argument is a readable error. A third place specialises this.
template <class B>
inline constexpr bool is_backend = std::same_as<B, cpu> || std::same_as<B, cuda>;
template <class B>
concept backend = is_backend<B>;

/// The place whose memory an executor works on.
template <class E>
using backend_of = typename E::place;
template <class E>
concept executor = std::copyable<E> && backend<backend_of<E>>;
/// Can start kernels. A fact about the type, so every translation unit gives the same answer.
template <class E>
concept launchable = executor<E> && E::launches;

struct eigen_provider;  // the default is a name, never a macro: a program that found better says so

/// Works on host memory with `threads` threads. Matrix products come from `Provider` (backend/matmul_provider.hpp).
template <class Provider = eigen_provider>
struct cpu_executor {
  using place = cpu;
  using provider = Provider;
  static constexpr bool launches = true;
  int threads = 1;  ///< 1 or more; a build without OpenMP uses one
};

/// Queues work on `stream` and does not wait for it. `context` holds library handles and workspace.
template <bool Launches>
struct basic_cuda_executor {
  using place = cuda;
  static constexpr bool launches = Launches;
  CUstream_st* stream = nullptr;
  class cuda_context* context = nullptr;
};
/// For copies and library calls: any compiler may use it. Kernels need cuda_executor (backend/cuda_executor.hpp).
using cuda_queue = basic_cuda_executor<false>;

}  // namespace limbeck
