// Runs losses that are known by name as benchmarks NAME_against_SIZE/SIZE:n/threads:t.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "losses/every_loss.hpp"
#include "measure.hpp"

namespace limbeck_bench {

using float_batch = batch<float, float, float>;
using float_loss = named_loss<float, float, float>;
using float_losses = named_losses<float, float, float>;

/// One thread, and as many as there are processors.
[[nodiscard]] inline std::vector<int> thread_counts() {
  const int all = static_cast<int>(std::thread::hardware_concurrency());
  return all > 1 ? std::vector<int>{1, all} : std::vector<int>{1};
}

/// `body` for each size and number of threads.
inline void against(const std::string& name, const char* size, const std::vector<index>& sizes,
                    const std::function<void(benchmark::State&)>& body) {
  auto* const made = benchmark::RegisterBenchmark((name + "_against_" + size).c_str(),
                                                  [body](benchmark::State& state) { body(state); });
  made->ArgNames({size, "threads"})->UseRealTime();
  for (const int threads : thread_counts())
    for (const index n : sizes) made->Args({n, threads});
}

/// make(n): a batch of that size, an std::unique_ptr.
template <class Make>
void losses_against(const char* size, const std::vector<index>& sizes, const float_losses& losses, Make make) {
  for (const float_loss& loss : losses)
    against(loss.name, size, sizes, [loss, make](benchmark::State& state) {
      const auto made = make(state.range(0));
      work done = made->traffic();
      if (!loss.reads_teacher) done.read -= floats(made->theirs.count());
      if (loss.flops) done.flops = loss.flops(*made);
      const auto call = loss.prepare(*made);
      const executor on{static_cast<int>(state.range(1))};
      measure(state, done, on.threads, [&] { call(on); });
    });
}

}  // namespace limbeck_bench
