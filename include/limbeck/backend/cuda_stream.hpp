// A stream of one's own.
#pragma once

#include <utility>

#include "limbeck/backend/cuda_error.hpp"
#include "limbeck/core/executors.hpp"

namespace limbeck {

/// Work on it does not wait for work on other streams, the default one included. Must outlive what was made on it.
class cuda_stream {
 public:
  /// Throws backend_error where there is no device.
  cuda_stream() {
    throw_on_failure(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  }
  cuda_stream(cuda_stream&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
  cuda_stream& operator=(cuda_stream&& other) noexcept {
    std::swap(stream_, other.stream_);
    return *this;
  }
  ~cuda_stream() {
    if (stream_ != nullptr) static_cast<void>(cudaStreamDestroy(stream_));  // nobody is left to hear of a failure
  }

  [[nodiscard]] CUstream_st* get() const { return stream_; }

 private:
  CUstream_st* stream_ = nullptr;
};

}  // namespace limbeck
