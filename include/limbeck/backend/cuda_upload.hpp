// Small arrays of the host on their way to a device.
#pragma once

#include <cstddef>
#include <utility>

#include "limbeck/backend/cuda_error.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// Memory of the host that a device reads while the host goes on. Two pieces take turns: room() waits only if the copy
/// before the last one is still under way.. Not for several threads at once.
class cuda_upload {
 public:
  cuda_upload() = default;
  cuda_upload(cuda_upload&& other) noexcept { swap(other); }
  cuda_upload& operator=(cuda_upload&& other) noexcept {
    swap(other);
    return *this;
  }
  ~cuda_upload() {
    for (piece& p : pieces_) release(p);
  }

  /// `bytes` to be filled and then sent. Throws backend_error where memory runs out.
  [[nodiscard]] std::byte* room(index bytes) {
    piece& p = pieces_[turn_];
    if (p.sent != nullptr) throw_on_failure(cudaEventSynchronize(p.sent), "upload: cudaEventSynchronize");
    if (p.bytes < bytes) {
      release(p);
      void* made = nullptr;
      throw_on_failure(cudaMallocHost(&made, static_cast<std::size_t>(bytes)), "upload: cudaMallocHost");
      p.data = static_cast<std::byte*>(made);
      p.bytes = bytes;
      throw_on_failure(cudaEventCreateWithFlags(&p.sent, cudaEventDisableTiming), "upload: cudaEventCreate");
    }
    return p.data;
  }
  /// Queues a copy of the first `bytes` of the room to the device.
  template <bool Launches>
  void send(const basic_cuda_executor<Launches>& on, std::byte* to, index bytes) {
    const piece& p = pieces_[turn_];
    throw_on_failure(cudaMemcpyAsync(to, p.data, static_cast<std::size_t>(bytes), cudaMemcpyHostToDevice, on.stream),
                     "upload");
    throw_on_failure(cudaEventRecord(p.sent, on.stream), "upload: cudaEventRecord");
    turn_ = 1 - turn_;
  }

 private:
  struct piece {
    std::byte* data = nullptr;
    index bytes = 0;
    cudaEvent_t sent = nullptr;
  };
  static void release(piece& p) noexcept {  // nobody is left to hear of a failure
    if (p.sent != nullptr) {
      static_cast<void>(cudaEventSynchronize(p.sent));
      static_cast<void>(cudaEventDestroy(p.sent));
    }
    if (p.data != nullptr) static_cast<void>(cudaFreeHost(p.data));
    p = {};
  }
  void swap(cuda_upload& other) noexcept {
    std::swap(pieces_, other.pieces_);
    std::swap(turn_, other.turn_);
  }

  piece pieces_[2];
  std::size_t turn_ = 0;
};

}  // namespace limbeck
