// Times of work on a device: medians of what its events say, in turn with a copy that moves as many bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "limbeck/backend/copy_cuda.hpp"
#include "limbeck/backend/cuda_buffer.hpp"
#include "limbeck/backend/cuda_executor.hpp"

namespace limbeck_bench {

using limbeck::cuda, limbeck::cuda_executor, limbeck::index, limbeck::view;

/// Between two moments of a stream.
class interval {
 public:
  interval() {
    limbeck::throw_on_failure(cudaEventCreateWithFlags(&begin_, cudaEventDefault), "cudaEventCreate");
    limbeck::throw_on_failure(cudaEventCreateWithFlags(&end_, cudaEventDefault), "cudaEventCreate");
  }
  interval(const interval&) = delete;
  interval& operator=(const interval&) = delete;
  ~interval() {
    static_cast<void>(cudaEventDestroy(begin_));
    static_cast<void>(cudaEventDestroy(end_));
  }
  /// Milliseconds that the stream took for work(); waits for it.
  template <class Work>
  [[nodiscard]] double ms(const cuda_executor& on, const Work& work) {
    limbeck::throw_on_failure(cudaEventRecord(begin_, on.stream), "cudaEventRecord");
    work();
    limbeck::throw_on_failure(cudaEventRecord(end_, on.stream), "cudaEventRecord");
    limbeck::throw_on_failure(cudaEventSynchronize(end_), "cudaEventSynchronize");
    float took = 0;
    limbeck::throw_on_failure(cudaEventElapsedTime(&took, begin_, end_), "cudaEventElapsedTime");
    return static_cast<double>(took);
  }

 private:
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

[[nodiscard]] inline double median(std::vector<double> of) {
  std::sort(of.begin(), of.end());
  return of[of.size() / 2];
}

/// What is taken from the device's pool while it lives.
class pool_use {
 public:
  explicit pool_use(const cuda_executor& on) {
    int device = 0;
    limbeck::throw_on_failure(cudaGetDevice(&device), "cudaGetDevice");
    limbeck::throw_on_failure(cudaDeviceGetDefaultMemPool(&pool_, device), "cudaDeviceGetDefaultMemPool");
    wait(on);
    std::uint64_t none = 0;
    limbeck::throw_on_failure(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrUsedMemHigh, &none),
                              "cudaMemPoolSetAttribute");
    before_ = attribute(cudaMemPoolAttrUsedMemCurrent);
  }
  /// The most bytes at one time beyond those that were in use before.
  [[nodiscard]] double most_bytes(const cuda_executor& on) const {
    wait(on);
    return static_cast<double>(attribute(cudaMemPoolAttrUsedMemHigh) - before_);
  }

 private:
  [[nodiscard]] std::uint64_t attribute(cudaMemPoolAttr which) const {
    std::uint64_t bytes = 0;
    limbeck::throw_on_failure(cudaMemPoolGetAttribute(pool_, which, &bytes), "cudaMemPoolGetAttribute");
    return bytes;
  }
  cudaMemPool_t pool_ = nullptr;
  std::uint64_t before_ = 0;
};

/// Copies within the device: what moving bytes costs at best.
class copier {
 public:
  explicit copier(const cuda_executor& on, index most = index{1} << 30) : from_(on, most), to_(on, most) {}
  /// Milliseconds for `bytes`, half of them read and half written; more than fit are reckoned from those that do.
  [[nodiscard]] double ms(const cuda_executor& on, interval& clock, double bytes) {
    const double half = bytes / 2, fits = std::min(half, static_cast<double>(from_.count()));
    const auto count = std::max<index>(1, static_cast<index>(fits));
    const double took = clock.ms(on, [&] {
      copy(on, view<const std::byte, 1, cuda>(from_.data(), count), view<std::byte, 1, cuda>(to_.data(), count));
    });
    return took * half / static_cast<double>(count);
  }

 private:
  limbeck::buffer<std::byte, cuda> from_, to_;
};

struct beside_copy {
  double ms, copy_ms;
};
/// Rounds before those that count.
[[nodiscard]] inline int rounds_of_warm_up(int rounds) { return std::min(rounds - 1, 4); }

/// Medians of work() and of a copy of `bytes`, in turn.
template <class Work>
[[nodiscard]] beside_copy measured(const cuda_executor& on, copier& copies, double bytes, int rounds,
                                   const Work& work) {
  interval clock;
  std::vector<double> ours, theirs;
  for (int round = -rounds_of_warm_up(rounds); round < rounds; ++round) {
    const double took = clock.ms(on, work), copied = copies.ms(on, clock, bytes);
    if (round < 0) continue;
    ours.push_back(took);
    theirs.push_back(copied);
  }
  return {median(ours), median(theirs)};
}

}  // namespace limbeck_bench
