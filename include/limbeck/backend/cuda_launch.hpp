// How kernels are started: in one place.
#pragma once

#include "limbeck/backend/cuda_error.hpp"
#include "limbeck/backend/cuda_executor.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// Blocks in a row, threads in a block, the bytes of dynamic shared memory that each block gets, and how many blocks
/// are a cluster, whose multiple `blocks` is.
struct launch_shape {
  unsigned blocks = 1, threads = 1;
  std::size_t shared_bytes = 0;
  unsigned cluster = 1;
};

/// Blocks for `count` things.
[[nodiscard]] inline unsigned blocks_for(index count) {
  constexpr index most = 0x7FFFFFFF;  // the driver takes no more; blocks take their rows in turn
  return static_cast<unsigned>(count < most ? count : most);
}

/// Threads of a block that has `count` things to do side by side: whole warps, at most `most`.
[[nodiscard]] inline unsigned threads_for(index count, unsigned most) {
  constexpr index warp = 32;
  const index wanted = (count + warp - 1) / warp * warp;
  return wanted < warp ? warp : wanted < static_cast<index>(most) ? static_cast<unsigned>(wanted) : most;
}

/// The shared memory that a block gets without being asked for more.
inline constexpr std::size_t shared_bytes_of_every_block = 48 * 1024;

namespace detail {

/// What the driver is told of a launch. Its address must not change.
struct launch_config {
  cudaLaunchConfig_t config{};
  cudaLaunchAttribute in_clusters{};

  template <class... Parameters>
  launch_config(const cuda_executor& on, const char* what, const launch_shape& shape, void (*kernel)(Parameters...)) {
    if (shape.shared_bytes > shared_bytes_of_every_block)
      limbeck::throw_on_failure(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                     static_cast<int>(shape.shared_bytes)),
                                what);
    config.gridDim = {shape.blocks, 1, 1};
    config.blockDim = {shape.threads, 1, 1};
    config.dynamicSmemBytes = shape.shared_bytes;
    config.stream = on.stream;
    if (shape.cluster == 1) return;
    in_clusters.id = cudaLaunchAttributeClusterDimension;
    in_clusters.val.clusterDim.x = shape.cluster;
    in_clusters.val.clusterDim.y = in_clusters.val.clusterDim.z = 1;
    config.attrs = &in_clusters;
    config.numAttrs = 1;
  }
  launch_config(const launch_config&) = delete;
  launch_config& operator=(const launch_config&) = delete;
};

/// The dynamic shared memory that each block of a cluster may have; 0 where the current device starts no clusters, or
/// the kernel was not compiled for them (compute capability 9.0).
template <class... Parameters>
[[nodiscard]] std::size_t shared_bytes_in_clusters(void (*kernel)(Parameters...)) {
  constexpr int first_with_clusters = 90;
  int device = 0, starts = 0, most = 0;
  limbeck::throw_on_failure(cudaGetDevice(&device), "cudaGetDevice");
  limbeck::throw_on_failure(cudaDeviceGetAttribute(&starts, cudaDevAttrClusterLaunch, device),
                            "cudaDeviceGetAttribute");
  if (starts == 0) return 0;
  cudaFuncAttributes about{};
  limbeck::throw_on_failure(cudaFuncGetAttributes(&about, kernel), "cudaFuncGetAttributes");
  if (about.ptxVersion < first_with_clusters) return 0;
  limbeck::throw_on_failure(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
                            "cudaDeviceGetAttribute");
  return static_cast<std::size_t>(most) - about.sharedSizeBytes;
}
/// Whether the device has room for one cluster at a time.
template <class... Parameters>
[[nodiscard]] bool has_room_for_cluster(const cuda_executor& on, const char* what, const launch_shape& shape,
                                        void (*kernel)(Parameters...)) {
  const launch_config told(on, what, shape, kernel);
  int at_once = 0;
  return cudaOccupancyMaxActiveClusters(&at_once, kernel, &told.config) == cudaSuccess && at_once > 0;
}

}  // namespace detail

/// Queues kernel(arguments...) on the executor's stream; no block, no launch. Throws backend_error, naming `what`,
/// where the driver refuses; a failure of the kernel itself comes to light where somebody waits.
template <class... Parameters, class... Arguments>
void launch(const cuda_executor& on, const char* what, launch_shape shape, void (*kernel)(Parameters...),
            const Arguments&... arguments) {
  if (shape.blocks == 0) return;  // an empty grid is an error to the driver
  const detail::launch_config told(on, what, shape, kernel);
  throw_on_failure(cudaLaunchKernelEx(&told.config, kernel, arguments...), what);
}

}  // namespace limbeck
