// Work on a stream that is recorded once and done again and again, each time for the price of one call.
#pragma once

#include <utility>

#include "limbeck/backend/cuda_error.hpp"
#include "limbeck/backend/cuda_handle.hpp"
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
    cudaGraphExec_t made = nullptr;
    throw_on_failure(cudaGraphInstantiateWithFlags(&made, steps.graph, 0), "graph: cudaGraphInstantiate");
    ready_.reset(made);
  }

  /// Queues all of it.
  template <bool Launches>
  void run(const basic_cuda_executor<Launches>& on) const {
    throw_on_failure(cudaGraphLaunch(ready_.get(), on.stream), "graph: cudaGraphLaunch");
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

  detail::cuda_handle<cudaGraphExec_t, cudaGraphExecDestroy> ready_;
};

}  // namespace limbeck
