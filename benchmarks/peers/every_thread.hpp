// Where the peers' C functions run.
#pragma once

#if defined(_OPENMP)
#include <omp.h>
#endif

#include "limbeck/core/executors.hpp"

namespace limbeck_bench {

/// On as many threads as OpenMP gives.
template <class Provider>
[[nodiscard]] limbeck::cpu_executor<Provider> on_every_thread() {
#if defined(_OPENMP)
  return {omp_get_max_threads()};
#else
  return {1};
#endif
}

}  // namespace limbeck_bench
