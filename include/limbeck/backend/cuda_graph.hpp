// Work on a stream that is recorded once and done again and again, each time for the price of one call.
#pragma once

#include <utility>

#include "limbeck/backend/cuda_error.hpp"
#include "limbeck/core/executors.hpp"

namespace limbeck {

/// What a function queued, as a CUDA graph. Its kernels read and write the memory that they were given: that must stay
/// where it is as long as the graph is run. Numbers of the host are those of the time of recording; what is to differ
/// from run to run lies in the device's memory (place(), adamw::prepare(), pass_mode::step_from).
class cuda_graph {
 public:
  /// Records what work() queues on the executor's stream, which is not the default one; nothing of it is done yet.
  /// Throws what work() throws, and backend_error where it waits for the device. A step that keeps memory for the next
  /// one should have run once before.
  template <bool Launches, class Work>
  cuda_graph(const basic_cuda_executor<Launches>& on, Work&& work) {
    throw_on_failure(cudaStreamBeginCapture(on.stream, cudaStreamCaptureModeThreadLocal),
                     "graph: cudaStreamBeginCapture");
    recorded steps{on.stream};
    std::forward<Work>(work)();
    throw_on_failure(steps.end(), "graph: cudaStreamEndCapture");
    throw_on_failure(cudaGraphInstantiateWithFlags(&ready_, steps.graph, 0), "graph: cudaGraphInstantiate");
  }
  cuda_graph(cuda_graph&& other) noexcept : ready_(std::exchange(other.ready_, nullptr)) {}
  cuda_graph& operator=(cuda_graph&& other) noexcept {
    std::swap(ready_, other.ready_);
    return *this;
  }
  ~cuda_graph() {
    if (ready_ != nullptr) static_cast<void>(cudaGraphExecDestroy(ready_));  // nobody is left to hear of a failure
  }

  /// Queues all of it.
  template <bool Launches>
  void run(const basic_cuda_executor<Launches>& on) const {
    throw_on_failure(cudaGraphLaunch(ready_, on.stream), "graph: cudaGraphLaunch");
  }

 private:
  /// A recording: ended however its scope is left.
  struct recorded {
    CUstream_st* stream;
    cudaGraph_t graph = nullptr;
    bool ended = false;

    cudaError_t end() {
      ended = true;
      return cudaStreamEndCapture(stream, &graph);
    }
    ~recorded() {
      if (!ended) static_cast<void>(end());
      if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
    }
  };

  cudaGraphExec_t ready_ = nullptr;
};

}  // namespace limbeck
