// The program that measures a device: what it is told and what it writes.
#pragma once

#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include "fused.hpp"
#include "kernels.hpp"
#include "steps.hpp"

namespace limbeck_bench {

/// usage: cuda_measure [--quick] [--only kernels|fused|steps]
///
/// One JSON object a line: the device, then kernels, fused losses and steps. --quick: small sizes, to see that
/// everything runs.
inline int measure_device(int count, char** arguments) {
  bool quick = false;
  std::string only;
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(arguments[i], "--quick") == 0) {
      quick = true;
    } else if (std::strcmp(arguments[i], "--only") == 0 && i + 1 < count) {
      only = arguments[++i];
    } else {
      std::fprintf(stderr, "cuda_measure: %s is not known; [--quick] [--only kernels|fused|steps]\n", arguments[i]);
      return 2;
    }
  }
  try {
    cudaDeviceProp about{};
    limbeck::throw_on_failure(cudaGetDeviceProperties(&about, 0), "cudaGetDeviceProperties");
    std::printf("{\"what\": \"device\", \"name\": \"%s\", \"multiprocessors\": %d, \"memory\": %zu}\n", about.name,
                about.multiProcessorCount, about.totalGlobalMem);
    const auto wanted = [&](const char* part) { return only.empty() || only == part; };
    if (wanted("kernels")) bench_kernels(stdout, quick);
    if (wanted("fused")) bench_fused(stdout, quick);
    if (wanted("steps")) bench_steps(stdout, quick);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "cuda_measure: %s\n", e.what());
    return 1;
  }
  return 0;
}

}  // namespace limbeck_bench
