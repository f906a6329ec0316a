// The example of a training on a device, on the processor.
#include "cuda_shim/shimmed_losses.hpp"

// Every header of the example, which stands in a namespace here.
#include <cstdint>
#include <cstdio>
#include <vector>

#include "catch.hpp"
#include "limbeck/backend/copy_cuda.hpp"
#include "limbeck/backend/cuda_graph.hpp"
#include "limbeck/backend/cuda_stream.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/top_k.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/models/model.hpp"
#include "limbeck/models/placed_batch_cuda.hpp"
#include "limbeck/training/adamw_cuda.hpp"
#include "limbeck/training/gradient_norm_cuda.hpp"

namespace example_of_a_device {
#include "../examples/embed_cuda.cu"
}

TEST_CASE("examples/embed_cuda.cu learns what its teacher kept, on CUDA kernels") {
  CHECK(example_of_a_device::main() == 0);
}
