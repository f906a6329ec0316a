// limbeck's matrix products as the C functions that gemm.py of peerbench calls in every libg_NAME.so. Compiled
// once for each provider. Threads: as many as OpenMP gives.
#include <cstdint>

#if defined(LIMBECK_PEER_BLAS)
#include "limbeck/backend/blas.hpp"
using provider = limbeck::blas_provider;
#elif defined(LIMBECK_PEER_ONEDNN)
#include "limbeck/backend/onednn.hpp"
using provider = limbeck::onednn_provider;
#else
#include "limbeck/backend/eigen.hpp"
using provider = limbeck::eigen_provider;
#endif
#include "every_thread.hpp"
#include "limbeck/ops/matmul.hpp"

namespace {

using limbeck::view;
using size = std::int64_t;

limbeck::cpu_executor<provider> here() { return limbeck_bench::on_every_thread<provider>(); }

}  // namespace

extern "C" {

/// c [m, n] = a [m, k] b [k, n].
void g32(size m, size n, size k, const float* a, const float* b, float* c) {
  limbeck::ops::matmul(here(), view<const float, 2>(a, m, k), view<const float, 2>(b, k, n), view<float, 2>(c, m, n));
}
/// c [m, n] = a [m, k] b', b being [n, k].
void gnt(size m, size n, size k, const float* a, const float* b, float* c) {
  limbeck::ops::matmul(here(), view<const float, 2>(a, m, k), transposed(view<const float, 2>(b, n, k)),
                       view<float, 2>(c, m, n));
}
/// c [m, n] = a' b, a being [k, m].
void gtn(size m, size n, size k, const float* a, const float* b, float* c) {
  limbeck::ops::matmul(here(), transposed(view<const float, 2>(a, k, m)), view<const float, 2>(b, k, n),
                       view<float, 2>(c, m, n));
}
}
