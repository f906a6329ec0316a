// How kernels are started: in one place.
#pragma once

#include "limbeck/backend/cuda_error.hpp"
#include "limbeck/backend/cuda_executor.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// Blocks in a row, threads in a block, and the bytes of dynamic shared memory that each block gets.
struct launch_shape {
  unsigned blocks = 1, threads = 1;
  std::size_t shared_bytes = 0;
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

/// Queues kernel(arguments...) on the executor's stream; no block, no launch. Throws backend_error, naming `what`,
/// where the driver refuses; a failure of the kernel itself comes to light where somebody waits.
template <class... Parameters, class... Arguments>
void launch(const cuda_executor& on, const char* what, launch_shape shape, void (*kernel)(Parameters...),
            const Arguments&... arguments) {
  if (shape.blocks == 0) return;  // an empty grid is an error to the driver
  if (shape.shared_bytes > shared_bytes_of_every_block)
    throw_on_failure(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shape.shared_bytes)),
        what);
  cudaLaunchConfig_t config{};
  config.gridDim = {shape.blocks, 1, 1};
  config.blockDim = {shape.threads, 1, 1};
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = on.stream;
  throw_on_failure(cudaLaunchKernelEx(&config, kernel, arguments...), what);
}

}  // namespace limbeck
