// Matrix products and affine maps by a BLAS.
#include "limbeck/backend/blas.hpp"
#include "ops/products.hpp"

namespace {

using limbeck::blas_provider;
using limbeck_bench::linear, limbeck_bench::linear_backward, limbeck_bench::product, limbeck_bench::product_shapes;

BENCHMARK_TEMPLATE(product, blas_provider)->Apply(product_shapes);
BENCHMARK_TEMPLATE(linear, blas_provider)->Apply(product_shapes);
BENCHMARK_TEMPLATE(linear_backward, blas_provider)->Apply(product_shapes);

}  // namespace
