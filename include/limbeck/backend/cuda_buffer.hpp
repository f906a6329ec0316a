// An owning array in device memory, allocated and freed in the order of a stream.
#pragma once

#include <type_traits>
#include <utility>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/backend/cuda_error.hpp"

namespace limbeck {

/// Owns `count` elements of a trivial type in device memory, aligned to 256 bytes. Moves, never copies. Made and freed
/// on the executor's stream without waiting: kernels queued there before the end still find the memory. The stream must
/// outlive the buffer; another stream must wait for this one before it looks.
template <class T>
class buffer<T, cuda> {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  buffer() = default;
  /// Elements whose bytes are zero. Throws backend_error where memory runs out, contract_error if count is negative.
  template <bool Launches>
  buffer(const basic_cuda_executor<Launches>& on, index count) : stream_(on.stream), count_(count) {
    expects(count >= 0, "buffer: the count is negative");
    if (count == 0) return;
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
    void* data = nullptr;
    throw_on_failure(cudaMallocAsync(&data, bytes, stream_), "cudaMallocAsync");
    data_ = static_cast<T*>(data);
    const cudaError_t result = cudaMemsetAsync(data, 0, bytes, stream_);
    if (result != cudaSuccess) release();
    throw_on_failure(result, "cudaMemsetAsync");
  }
  buffer(buffer&& other) noexcept
      : stream_(other.stream_), data_(std::exchange(other.data_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  buffer& operator=(buffer&& other) noexcept {
    if (this == &other) return *this;
    release();
    stream_ = other.stream_;
    data_ = std::exchange(other.data_, nullptr);
    count_ = std::exchange(other.count_, 0);
    return *this;
  }
  ~buffer() { release(); }

  [[nodiscard]] index count() const { return count_; }
  [[nodiscard]] T* data() { return data_; }
  [[nodiscard]] const T* data() const { return data_; }
  [[nodiscard]] view<T, 1, cuda> all() { return view<T, 1, cuda>(data_, count_); }
  [[nodiscard]] view<const T, 1, cuda> all() const { return view<const T, 1, cuda>(data_, count_); }

 private:
  void release() noexcept {
    if (data_ != nullptr) static_cast<void>(cudaFreeAsync(data_, stream_));  // nobody is left to hear of a failure
    data_ = nullptr;
    count_ = 0;
  }

  CUstream_st* stream_ = nullptr;
  T* data_ = nullptr;
  index count_ = 0;
};

}  // namespace limbeck
