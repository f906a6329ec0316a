// Arenas in device memory.
#pragma once

#include "limbeck/backend/arena.hpp"
#include "limbeck/backend/cuda_buffer.hpp"

namespace limbeck {

/// Blocks are allocated and freed in the order of the executor's stream: who has taken a piece works on that stream.
template <>
struct arena_source<cuda> {
  arena_source() = default;
  template <bool Launches>
  explicit arena_source(const basic_cuda_executor<Launches>& on) : on_{on.stream, on.context} {}
  [[nodiscard]] buffer<std::byte, cuda> block(index bytes) const { return {on_, bytes}; }

 private:
  cuda_queue on_;
};

}  // namespace limbeck
