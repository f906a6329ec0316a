// Runs CUDA kernels on the processor: what they and their launches need of the runtime, for any C++ compiler. To be
// included before any header of limbeck, in programs that contain no real CUDA.
//
// A fiber for each thread of a block, blocks (clusters of them) one after another; __syncthreads is a barrier, a
// shuffle an exchange of values around one, device memory is the host's. It shows whether indices and barriers are
// right (the thread sanitizer takes a missing __syncthreads for the race it is); of alignment, the order of memory and
// speed it shows nothing.
#pragma once

#if defined(__CUDACC__)
#error "cuda_shim.hpp takes the place of CUDA; this is a CUDA compiler"
#endif
#define LIMBECK_CUDA_SHIM

#include <malloc.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__ static  // blocks run one after another
#define __launch_bounds__(...)

// --- What kernels see ------------------------------------------------------------------------------------------------

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

#include "cuda_shim/block_fibers.hpp"

inline dim3 blockDim, gridDim;
#define threadIdx (limbeck_cuda_shim::everybody.state().thread)
#define blockIdx (limbeck_cuda_shim::everybody.state().block)

namespace limbeck_cuda_shim {

inline constexpr unsigned warp_size = 32;

struct warp_state {
  explicit warp_state(unsigned lanes) : meet(lanes) {}
  meeting meet;
  unsigned word[2][warp_size] = {};  // taken in turn, so that one barrier a shuffle is enough
};

struct block_state {
  block_state(unsigned threads, std::size_t shared_bytes) : meet(threads) {
    for (unsigned first = 0; first < threads; first += warp_size)
      warps.push_back(std::make_unique<warp_state>(threads - first < warp_size ? threads - first : warp_size));
    shared.reset(static_cast<unsigned char*>(std::malloc(shared_bytes)));  // of just this size, for the sanitizers
    if (shared_bytes > 0) std::memset(shared.get(), 0xFF, shared_bytes);   // NaN, whatever it is read as
  }
  struct give_back {
    void operator()(unsigned char* p) const { std::free(p); }
  };
  meeting meet;
  meeting* of_cluster = nullptr;  ///< a barrier of all blocks of the cluster
  unsigned rank = 0;
  std::vector<std::unique_ptr<warp_state>> warps;
  std::unique_ptr<unsigned char, give_back> shared;
};

inline unsigned char* dynamic_shared() { return everybody.state().of->shared.get(); }

/// The other shared memory of the blocks of a cluster, in which every kind of slots has its place.
inline constexpr unsigned most_cluster = 8;
inline constexpr std::size_t bytes_of_slots = 256 * 1024;
alignas(16) inline unsigned char slots_of_block[most_cluster][bytes_of_slots];
inline std::size_t slots_taken = 0;
template <class Tag, class T, unsigned N>
inline const std::size_t place_of_slots = [] {
  const std::size_t place = slots_taken;
  slots_taken += (sizeof(T) * N + 15) / 16 * 16;
  if (slots_taken > bytes_of_slots) std::abort();
  return place;
}();
inline unsigned cluster_rank() { return everybody.state().of->rank; }
inline unsigned cluster_blocks() { return everybody.state().cluster; }
inline void cluster_sync() { everybody.state().of->of_cluster->arrive_and_wait(); }
template <class Tag, class T, unsigned N>
T* shared_slots() {
  return reinterpret_cast<T*>(slots_of_block[cluster_rank()] + place_of_slots<Tag, T, N>);
}
/// Of slots.
template <class T>
T* map_shared_rank(T* mine, unsigned rank) {
  const std::ptrdiff_t apart = static_cast<std::ptrdiff_t>(rank) - static_cast<std::ptrdiff_t>(cluster_rank());
  return reinterpret_cast<T*>(reinterpret_cast<unsigned char*>(mine) + apart * std::ptrdiff_t{bytes_of_slots});
}

inline bool starts_clusters = true;
inline long clusters_started = 0;

/// Counted, so that tests can say what allocates.
inline std::atomic<long> allocations{0}, living_allocations{0};
inline std::uint64_t used_bytes = 0, most_used_bytes = 0;  ///< of the pool

inline constexpr unsigned most_threads = 1024, most_blocks = 3;
inline constexpr std::size_t shared_bytes_without_asking = 48 * 1024, most_shared_bytes = 227 * 1024;
inline std::map<const void*, std::size_t> shared_bytes_of_kernel;  ///< those that were asked for

}  // namespace limbeck_cuda_shim

inline void __syncthreads() { limbeck_cuda_shim::everybody.state().of->meet.arrive_and_wait(); }

inline void __syncwarp() {
  using namespace limbeck_cuda_shim;
  thread_state& me = everybody.state();
  me.of->warps[me.thread.x / warp_size]->meet.arrive_and_wait();
}

inline unsigned __shfl_sync(unsigned, unsigned value, int from) {
  using namespace limbeck_cuda_shim;
  thread_state& me = everybody.state();
  warp_state& warp = *me.of->warps[me.thread.x / warp_size];
  const unsigned turn = me.shuffles++ % 2;
  warp.word[turn][me.thread.x % warp_size] = value;
  warp.meet.arrive_and_wait();
  return warp.word[turn][from];
}
inline unsigned __shfl_xor_sync(unsigned mask, unsigned value, int apart) {
  return __shfl_sync(mask, value, static_cast<int>(threadIdx.x % limbeck_cuda_shim::warp_size) ^ apart);
}

// --- What the host calls ---------------------------------------------------------------------------------------------
// Not inlined where a compiler would see through a failure and warn of it.

struct CUgraph_st {
  std::vector<std::function<void()>> work;
};
struct CUstream_st {
  std::unique_ptr<CUgraph_st> recorded;  ///< while it is captured
  bool spoiled = false;                  ///< by a call that a capture forbids
};
using cudaStream_t = CUstream_st*;
using cudaGraph_t = CUgraph_st*;
using cudaGraphExec_t = const CUgraph_st*;
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };

inline const char* cudaGetErrorName(cudaError_t e) {
  switch (e) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated: return "cudaErrorStreamCaptureInvalidated";
  }
  return "unrecognized error code";
}
inline const char* cudaGetErrorString(cudaError_t e) {
  switch (e) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
  }
  return "unrecognized error code";
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

namespace limbeck_cuda_shim {

/// Does the work, or keeps it where the stream is captured.
template <class Work>
cudaError_t queue(cudaStream_t on, const Work& work) {
  if (on != nullptr && on->recorded != nullptr)
    on->recorded->work.push_back(work);
  else
    work();
  return cudaSuccess;
}
/// What becomes of a call that a capture does not allow.
inline cudaError_t uncaptured(cudaStream_t on) {
  if (on == nullptr || on->recorded == nullptr) return cudaSuccess;
  on->spoiled = true;
  return cudaErrorStreamCaptureUnsupported;
}

}  // namespace limbeck_cuda_shim

inline constexpr unsigned cudaStreamNonBlocking = 1;
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* made, unsigned) {
  *made = new CUstream_st;
  return cudaSuccess;
}
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
inline cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream == nullptr || stream->recorded != nullptr) return cudaErrorStreamCaptureUnsupported;
  stream->recorded = std::make_unique<CUgraph_st>();
  stream->spoiled = false;
  return cudaSuccess;
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* made) {
  const auto recorded = std::exchange(stream->recorded, nullptr);
  *made = nullptr;
  if (stream->spoiled) return cudaErrorStreamCaptureInvalidated;
  *made = new CUgraph_st(*recorded);
  return cudaSuccess;
}
inline cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  *made = new CUgraph_st(*graph);
  return cudaSuccess;
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete graph;
  return cudaSuccess;
}
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t) {
  for (const auto& work : graph->work) work();
  return cudaSuccess;
}

/// A capture allows it on a device; here it does not, so that tests see a step that still takes memory.
[[gnu::noinline]] inline cudaError_t cudaMallocAsync(void** data, std::size_t bytes, cudaStream_t stream) {
  if (const cudaError_t refused = limbeck_cuda_shim::uncaptured(stream); refused != cudaSuccess) return refused;
  *data = bytes > static_cast<std::size_t>(PTRDIFF_MAX) ? nullptr : std::malloc(bytes);
  if (*data == nullptr) return cudaErrorMemoryAllocation;
  ++limbeck_cuda_shim::allocations;
  ++limbeck_cuda_shim::living_allocations;
  limbeck_cuda_shim::used_bytes += malloc_usable_size(*data);
  if (limbeck_cuda_shim::used_bytes > limbeck_cuda_shim::most_used_bytes)
    limbeck_cuda_shim::most_used_bytes = limbeck_cuda_shim::used_bytes;
  return cudaSuccess;
}
inline cudaError_t cudaFreeAsync(void* data, cudaStream_t) {
  --limbeck_cuda_shim::living_allocations;
  limbeck_cuda_shim::used_bytes -= malloc_usable_size(data);
  std::free(data);
  return cudaSuccess;
}
struct CUmemPoolHandle_st;
using cudaMemPool_t = CUmemPoolHandle_st*;
enum cudaMemPoolAttr { cudaMemPoolAttrUsedMemCurrent = 7, cudaMemPoolAttrUsedMemHigh = 8 };
inline cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = nullptr;
  return cudaSuccess;
}
/// The one that can be set: the most that was used, from now on.
inline cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr which, void* zero) {
  if (which != cudaMemPoolAttrUsedMemHigh || *static_cast<std::uint64_t*>(zero) != 0) return cudaErrorInvalidValue;
  limbeck_cuda_shim::most_used_bytes = limbeck_cuda_shim::used_bytes;
  return cudaSuccess;
}
inline cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr which, void* bytes) {
  using namespace limbeck_cuda_shim;
  *static_cast<std::uint64_t*>(bytes) = which == cudaMemPoolAttrUsedMemHigh ? most_used_bytes : used_bytes;
  return cudaSuccess;
}
[[gnu::noinline]] inline cudaError_t cudaMemsetAsync(void* data, int byte, std::size_t bytes, cudaStream_t stream) {
  return limbeck_cuda_shim::queue(stream, [=] { std::memset(data, byte, bytes); });
}
[[gnu::noinline]] inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                                                     cudaStream_t stream) {
  return limbeck_cuda_shim::queue(stream, [=] { std::memcpy(to, from, bytes); });
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return limbeck_cuda_shim::uncaptured(stream); }
[[gnu::noinline]] inline cudaError_t cudaMallocHost(void** data, std::size_t bytes) {
  *data = std::malloc(bytes);
  return *data == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}
inline cudaError_t cudaFreeHost(void* data) {
  std::free(data);
  return cudaSuccess;
}

struct CUevent_st {
  std::chrono::steady_clock::time_point at;
};
using cudaEvent_t = CUevent_st*;
inline constexpr unsigned cudaEventDefault = 0, cudaEventDisableTiming = 2;
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* made, unsigned) {
  *made = new CUevent_st;
  return cudaSuccess;
}
inline cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  event->at = std::chrono::steady_clock::now();
  return cudaSuccess;
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t begin, cudaEvent_t end) {
  *ms = std::chrono::duration<float, std::milli>(end->at - begin->at).count();
  return cudaSuccess;
}

struct cudaDeviceProp {
  char name[256];
  int multiProcessorCount;
  std::size_t totalGlobalMem;
};
inline cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* about, int) {
  *about = {"none: a shim on the processor", 0, 0};
  return cudaSuccess;
}

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
template <class... Parameters>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Parameters...), cudaFuncAttribute, int bytes) {
  using namespace limbeck_cuda_shim;
  if (bytes < 0 || static_cast<std::size_t>(bytes) > most_shared_bytes) return cudaErrorInvalidValue;
  shared_bytes_of_kernel[reinterpret_cast<const void*>(kernel)] = static_cast<std::size_t>(bytes);
  return cudaSuccess;
}

enum cudaLaunchAttributeID { cudaLaunchAttributeClusterDimension = 4 };
struct cudaLaunchAttribute {
  cudaLaunchAttributeID id{};
  struct {
    dim3 clusterDim;
  } val{};
};
struct cudaLaunchConfig_t {
  dim3 gridDim{}, blockDim{};
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute* attrs = nullptr;
  unsigned numAttrs = 0;
};

enum cudaDeviceAttr { cudaDevAttrMaxSharedMemoryPerBlockOptin = 97, cudaDevAttrClusterLaunch = 120 };
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int) {
  using namespace limbeck_cuda_shim;
  *value = which == cudaDevAttrClusterLaunch ? starts_clusters : static_cast<int>(most_shared_bytes);
  return cudaSuccess;
}
struct cudaFuncAttributes {
  std::size_t sharedSizeBytes;
  int ptxVersion;
};
template <class Kernel>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* about, Kernel*) {
  *about = {4096, 90};
  return cudaSuccess;
}
template <class Kernel>
cudaError_t cudaOccupancyMaxActiveClusters(int* at_once, Kernel*, const cudaLaunchConfig_t* config) {
  *at_once = config->attrs->val.clusterDim.x <= limbeck_cuda_shim::most_cluster ? 1 : 0;
  return cudaSuccess;
}

/// Returns when the kernel is done. Refuses what a device refuses. Of many blocks only the first run, which must do
/// what the others would have done: kernels take their rows in turn, and no barrier may be missing between two turns.
template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               const Arguments&... arguments) {
  using namespace limbeck_cuda_shim;
  const unsigned asked_blocks = config->gridDim.x, threads = config->blockDim.x;
  if (asked_blocks == 0 || asked_blocks > 0x7FFFFFFFU || threads == 0 || threads > most_threads)
    return cudaErrorInvalidConfiguration;
  const auto asked = shared_bytes_of_kernel.find(reinterpret_cast<const void*>(kernel));
  if (config->dynamicSmemBytes > (asked == shared_bytes_of_kernel.end() ? shared_bytes_without_asking : asked->second))
    return cudaErrorInvalidValue;
  const unsigned cluster = config->numAttrs > 0 ? config->attrs->val.clusterDim.x : 1;
  if (cluster > (starts_clusters ? most_cluster : 1) || asked_blocks % cluster != 0) return cudaErrorInvalidValue;
  clusters_started += cluster > 1;
  const unsigned blocks = asked_blocks < most_blocks * cluster ? asked_blocks : most_blocks * cluster;
  const std::tuple<Parameters...> given(static_cast<Parameters>(arguments)...);
  return queue(config->stream, [=, bytes = config->dynamicSmemBytes] {
    meeting all(threads * cluster);
    std::vector<std::unique_ptr<block_state>> side_by_side;
    for (unsigned rank = 0; rank < cluster; ++rank) {
      side_by_side.push_back(std::make_unique<block_state>(threads, bytes));
      side_by_side.back()->of_cluster = &all;
      side_by_side.back()->rank = rank;
    }
    blockDim = {threads, 1, 1};
    gridDim = {blocks, 1, 1};
    everybody.run(threads * cluster, [&](unsigned t) {
      thread_state& me = everybody.state();
      const unsigned rank = t / threads;
      me = {.thread = {t % threads, 0, 0},
            .block = {rank, 0, 0},
            .cluster = cluster,
            .shuffles = 0,
            .of = side_by_side[rank].get()};
      for (; me.block.x < blocks; me.block.x += cluster) {
        std::apply(kernel, given);
        all.arrive_and_wait();
      }
    });
  });
}
