// Copies between host and device, and waiting for them.
#pragma once

#include "limbeck/backend/copy.hpp"
#include "limbeck/backend/cuda_error.hpp"

namespace limbeck {

/// to = from, host to device, back, or within the device; both row-major without gaps. Queued on the stream and not
/// waited for: memory of the host must stay as it is until wait(on). Throws contract_error where shapes differ.
template <bool Launches, class T, std::same_as<std::remove_const_t<T>> U, std::size_t Rank, backend From, backend To>
  requires(std::same_as<From, cuda> || std::same_as<To, cuda>)
void copy(const basic_cuda_executor<Launches>& on, const view<T, Rank, From>& from, const view<U, Rank, To>& to) {
  detail::expects_copyable(from, to);
  if (from.count() == 0) return;
  constexpr cudaMemcpyKind kind = std::same_as<From, cpu> ? cudaMemcpyHostToDevice
                                  : std::same_as<To, cpu> ? cudaMemcpyDeviceToHost
                                                          : cudaMemcpyDeviceToDevice;
  const std::size_t bytes = static_cast<std::size_t>(from.count()) * sizeof(T);
  throw_on_failure(cudaMemcpyAsync(to.data(), from.data(), bytes, kind, on.stream), "copy");
}

/// Waits until all that was queued on the stream is done. Throws backend_error where some of it failed.
template <bool Launches>
void wait(const basic_cuda_executor<Launches>& on) {
  throw_on_failure(cudaStreamSynchronize(on.stream), "wait");
}

}  // namespace limbeck
