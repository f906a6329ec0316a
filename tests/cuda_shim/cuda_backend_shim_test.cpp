// Memory, copies, launches and block-wide sums of the CUDA backend, on the processor.
#include "cuda_shim.hpp"

#include <algorithm>

#include "catch.hpp"
#include "limbeck/backend/copy_cuda.hpp"
#include "limbeck/backend/cuda_block.hpp"
#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/backend/cuda_graph.hpp"
#include "limbeck/backend/cuda_launch.hpp"
#include "limbeck/backend/cuda_stream.hpp"

namespace {

bool races_expected = false;
[[maybe_unused]] int races_found = 0;  // of those expected

}  // namespace

#if defined(LIMBECK_CUDA_SHIM_RACES)
namespace __tsan {
class ReportDesc;
/// Whether the thread sanitizer keeps a race to itself.
bool OnReport(const ReportDesc*, bool suppressed) {
  races_found += races_expected;
  return suppressed || races_expected;
}
}  // namespace __tsan
#endif

namespace {

using limbeck::buffer;
using limbeck::cuda;
using limbeck::cuda_executor;
using limbeck::view;

static_assert(limbeck::launchable<cuda_executor>);
static_assert(limbeck::executor<limbeck::cuda_queue> && !limbeck::launchable<limbeck::cuda_queue>);
static_assert(!std::is_copy_constructible_v<buffer<float, cuda>>);
static_assert(std::is_nothrow_move_assignable_v<buffer<float, cuda>>);

/// What each thread finds where its neighbour on that side writes, with a barrier between or none.
void neighbours_kernel(view<int, 1, cuda> found, int side, bool meets) {
  int* const written = reinterpret_cast<int*>(limbeck_cuda_shim::dynamic_shared());
  const int threads = static_cast<int>(blockDim.x), me = static_cast<int>(threadIdx.x);
  written[me] = 0;
  __syncthreads();
  written[me] = 1;
  if (meets) __syncthreads();
  found(me) = written[(me + side + threads) % threads];
}

template <class T>
struct added {
  T operator()(const T& a, const T& b) const { return a + b; }
};

template <class T>
void joined_kernel(view<T, 2, cuda> sums) {
  const T first = static_cast<T>(1) / static_cast<T>(3 + threadIdx.x + blockIdx.x);
  const T once = limbeck::detail::block_joined(first, added<T>{});
  sums(blockIdx.x, threadIdx.x) = once + limbeck::detail::block_joined(T(1), added<T>{});
}

template <class T>
void check_joined(unsigned threads) {
  INFO(threads << " threads");
  constexpr unsigned blocks = limbeck_cuda_shim::most_blocks;
  const cuda_executor on;
  buffer<T, cuda> memory(on, blocks * threads);
  const view<T, 2, cuda> sums(memory.data(), blocks, threads);
  launch(on, "joined", {blocks, threads}, joined_kernel<T>, sums);
  std::vector<T> got(blocks * threads);
  copy(on, limbeck::read_only(sums), view<T, 2>(got.data(), blocks, threads));
  wait(on);
  for (unsigned b = 0; b < blocks; ++b) {
    double want = threads;
    for (unsigned t = 0; t < threads; ++t) want += 1.0 / (3 + t + b);
    CHECK(static_cast<double>(got[b * threads]) == Approx(want));
    for (unsigned t = 0; t < threads; ++t) CHECK(got[b * threads + t] == got[b * threads]);
  }
}

/// Twice: what a cluster's threads join.
template <class T>
void cluster_kernel(view<T, 2, cuda> sums) {
  const unsigned blocks = limbeck::detail::block_cluster::blocks();
  for (unsigned row = blockIdx.x; row < sums.extent(0); row += gridDim.x) {
    const T first = static_cast<T>(1) / static_cast<T>(3 + threadIdx.x + row);
    const T once = limbeck::detail::cluster_joined(first, added<T>{});
    sums(row, static_cast<limbeck::index>(threadIdx.x)) =
        once + limbeck::detail::cluster_joined(T(1), added<T>{}) + static_cast<T>(blocks);
  }
}

template <class T>
void check_cluster(unsigned cluster, unsigned threads) {
  INFO(cluster << " blocks of " << threads << " threads");
  const unsigned blocks = 2 * limbeck_cuda_shim::most_blocks * cluster;  // two turns for each that runs
  const cuda_executor on;
  buffer<T, cuda> memory(on, blocks * threads);
  launch(on, "joined", {blocks, threads, 0, cluster}, cluster_kernel<T>,
         view<T, 2, cuda>(memory.data(), blocks, threads));
  for (unsigned first = 0; first < blocks; first += cluster) {
    double want = cluster + cluster * threads;
    for (unsigned b = first; b < first + cluster; ++b)
      for (unsigned t = 0; t < threads; ++t) want += 1.0 / (3 + t + b);
    CHECK(static_cast<double>(memory.data()[first * threads]) == Approx(want));
    for (unsigned i = first * threads; i < (first + cluster) * threads; ++i)
      CHECK(memory.data()[i] == memory.data()[first * threads]);
  }
}

void idle_kernel() {}

}  // namespace

TEST_CASE("block_joined gives every thread of a block the same bits") {
  for (const unsigned threads : {32U, 64U, 256U}) {
    check_joined<float>(threads);
    check_joined<double>(threads);
  }
}

TEST_CASE("cluster_joined gives every thread of a cluster's blocks the same bits") {
  for (const unsigned cluster : {2U, 4U, 8U})
    for (const unsigned threads : {32U, 64U}) {
      check_cluster<float>(cluster, threads);
      check_cluster<double>(cluster, threads);
    }
}

TEST_CASE("a missing barrier shows: a thread finds what its neighbour has not written yet, and a sanitizer the race") {
  const cuda_executor on;
  buffer<int, cuda> memory(on, 64);
  for (const bool meets : {true, false}) {
    races_expected = !meets;
    for (const int side : {-1, 1}) {
      launch(on, "neighbours", {1, 64, 64 * sizeof(int)}, neighbours_kernel, memory.all(), side, meets);
      const auto late = std::count(memory.data(), memory.data() + 64, 0);
      CHECK(meets == (late == 0));
    }
  }
  races_expected = false;
#if defined(LIMBECK_CUDA_SHIM_RACES)
  CHECK(races_found > 0);
#endif
}

TEST_CASE("a device buffer starts with zeros, moves, and gives its memory back") {
  const long before = limbeck_cuda_shim::living_allocations;
  {
    const limbeck::cuda_queue on;
    buffer<double, cuda> a(on, 5);
    std::vector<double> host(5, 1.0);
    copy(on, a.all(), view<double, 1>(host.data(), 5));
    CHECK(host == std::vector<double>(5, 0.0));
    const double* const at = a.data();
    buffer<double, cuda> b = std::move(a);
    CHECK(b.data() == at);
    CHECK(b.count() == 5);
    b = buffer<double, cuda>(on, 2);
    CHECK(limbeck_cuda_shim::living_allocations == before + 1);
    CHECK(buffer<double, cuda>(on, 0).data() == nullptr);
  }
  CHECK(limbeck_cuda_shim::living_allocations == before);
}

TEST_CASE("copies go from host to device, within it, and back") {
  const cuda_executor on;
  std::vector<float> from{1, 2, 3, 4, 5, 6}, to(6);
  buffer<float, cuda> a(on, 6), b(on, 6);
  copy(on, view<const float, 2>(from.data(), 2, 3), view<float, 2, cuda>(a.data(), 2, 3));
  copy(on, a.all(), b.all());
  copy(on, b.all(), view<float, 1>(to.data(), 6));
  wait(on);
  CHECK(to == from);
  std::vector<float> here(6);
  copy(limbeck::cpu_executor<>{}, view<const float, 1>(from.data(), 6), view<float, 1>(here.data(), 6));
  CHECK(here == from);
  CHECK_THROWS_WITH(copy(on, a.all(), view<float, 1>(to.data(), 5)), "copy: from [6] to [5]");
  CHECK_THROWS_WITH(copy(on, transposed(view<float, 2, cuda>(a.data(), 2, 3)), view<float, 2>(to.data(), 3, 2)),
                    "copy: a view has gaps between its elements");
}

TEST_CASE("a failed CUDA call is a backend_error that names it") {
  const cuda_executor on;
  CHECK_THROWS_AS((buffer<double, cuda>(on, limbeck::index{1} << 60)), limbeck::backend_error);
  CHECK_THROWS_WITH((buffer<double, cuda>(on, limbeck::index{1} << 60)),
                    "cudaMallocAsync: out of memory (cudaErrorMemoryAllocation)");
  CHECK_THROWS_AS((buffer<double, cuda>(on, -1)), limbeck::contract_error);
  CHECK_THROWS_WITH(launch(on, "idle", {1, 4096}, idle_kernel),
                    "idle: invalid configuration argument (cudaErrorInvalidConfiguration)");
  CHECK_NOTHROW(launch(on, "idle", {0, 32}, idle_kernel));  // no block, no launch
}

TEST_CASE("a context keeps workspace: a second call of a size allocates nothing") {
  limbeck::cuda_context context;
  const cuda_executor with{nullptr, &context}, without;
  float* const first = limbeck::cuda_workspace<float>(with, 100).data();
  const long before = limbeck_cuda_shim::allocations;
  CHECK(limbeck::cuda_workspace<float>(with, 100).data() == first);
  CHECK(limbeck::cuda_workspace<double>(with, 50).data() != nullptr);
  CHECK(limbeck_cuda_shim::allocations == before);
  CHECK(limbeck::cuda_workspace<float>(without, 100).data() != nullptr);
  CHECK(limbeck::cuda_workspace<float>(without, 0).data() == nullptr);
  CHECK(limbeck_cuda_shim::allocations == before + 1);
}

TEST_CASE("a graph does what was recorded, as often as it is run, and nothing when it is made") {
  const limbeck::cuda_stream stream;
  const cuda_executor on{.stream = stream.get()};
  buffer<double, cuda> memory(on, 2);
  const std::vector<double> one{1, 5};
  limbeck::cuda_graph graph(on, [&] {
    launch(on, "joined", {1, 2}, joined_kernel<double>, view<double, 2, cuda>(memory.data(), 1, 2));
    copy(on, view<const double, 1>(one.data(), 1), view<double, 1, cuda>(memory.data() + 1, 1));
  });
  CHECK(memory.data()[0] == 0);
  const limbeck::cuda_graph moved = std::move(graph);
  for (int run = 0; run < 2; ++run) {
    std::fill_n(memory.data(), 2, 7.0);
    moved.run(on);
    CHECK(memory.data()[0] == Approx(1.0 / 3 + 1.0 / 4 + 2));
    CHECK(memory.data()[1] == 1);
  }
}

TEST_CASE("what may not be recorded is refused, and the stream works on") {
  const limbeck::cuda_stream stream;
  const cuda_executor on{.stream = stream.get()};
  using limbeck::cuda_graph;
  CHECK_THROWS_WITH(cuda_graph(on, [&] { wait(on); }),
                    "wait: operation not permitted when stream is capturing (cudaErrorStreamCaptureUnsupported)");
  CHECK_THROWS_AS(cuda_graph(on, [] { throw limbeck::contract_error("no"); }), limbeck::contract_error);
  CHECK_THROWS_WITH(cuda_graph(cuda_executor{}, [] {}), Catch::Matchers::StartsWith("graph: cudaStreamBeginCapture"));
  CHECK_NOTHROW(wait(on));
  CHECK_NOTHROW(cuda_graph(on, [] {}));
}
