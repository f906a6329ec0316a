// Matrix products and affine maps by Eigen.
#include "limbeck/backend/eigen.hpp"
#include "ops/products.hpp"

namespace {

using limbeck::eigen_provider;
using limbeck_bench::linear, limbeck_bench::linear_backward, limbeck_bench::product, limbeck_bench::product_shapes;

BENCHMARK_TEMPLATE(product, eigen_provider)->Apply(product_shapes);
BENCHMARK_TEMPLATE(linear, eigen_provider)->Apply(product_shapes);
BENCHMARK_TEMPLATE(linear_backward, eigen_provider)->Apply(product_shapes);

}  // namespace
