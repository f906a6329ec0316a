// Matrix products and affine maps by oneDNN.
#include "limbeck/backend/onednn.hpp"
#include "ops/products.hpp"

namespace {

using limbeck::onednn_provider;
using limbeck_bench::linear, limbeck_bench::linear_backward, limbeck_bench::product, limbeck_bench::product_shapes;

BENCHMARK_TEMPLATE(product, onednn_provider)->Apply(product_shapes);
BENCHMARK_TEMPLATE(linear, onednn_provider)->Apply(product_shapes);
BENCHMARK_TEMPLATE(linear_backward, onednn_provider)->Apply(product_shapes);

}  // namespace
