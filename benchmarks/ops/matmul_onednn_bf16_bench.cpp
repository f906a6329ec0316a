// Matrix products and affine maps by oneDNN in bfloat16: operands lie in float32, so the bytes are those.
#include "limbeck/backend/onednn_bf16.hpp"
#include "ops/products.hpp"

namespace {

using limbeck::onednn_bf16_provider;
using limbeck_bench::linear, limbeck_bench::linear_backward, limbeck_bench::product, limbeck_bench::product_shapes;

BENCHMARK_TEMPLATE(product, onednn_bf16_provider)->Apply(product_shapes);
BENCHMARK_TEMPLATE(linear, onednn_bf16_provider)->Apply(product_shapes);
BENCHMARK_TEMPLATE(linear_backward, onednn_bf16_provider)->Apply(product_shapes);

}  // namespace
