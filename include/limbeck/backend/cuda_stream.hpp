// A stream of one's own.
#pragma once

#include "limbeck/backend/cuda_error.hpp"
#include "limbeck/backend/cuda_handle.hpp"
#include "limbeck/core/executors.hpp"

namespace limbeck {

/// Work on it does not wait for work on other streams, the default one included. Must outlive what was made on it.
class cuda_stream {
 public:
  /// Throws backend_error where there is no device.
  cuda_stream() {
    CUstream_st* made = nullptr;
    throw_on_failure(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    stream_.reset(made);
  }

  [[nodiscard]] CUstream_st* get() const { return stream_.get(); }

 private:
  detail::cuda_handle<cudaStream_t, cudaStreamDestroy> stream_;
};

}  // namespace limbeck
