// The CUDA kernels of operations on matrices, on the processor.
#include "shimmed_ops.hpp"

#include "ops/device_ops_cases.hpp"

namespace {

using limbeck_test::index;

TEST_CASE("CUDA kernels add, copy and fill matrices") {
  limbeck_test::check_elementwise<float>();
  limbeck_test::check_elementwise<double>();
}

TEST_CASE("CUDA kernels find the first of the largest numbers of each row") {
  limbeck_test::check_argmax<float>();
  limbeck_test::check_argmax<double>();
}

TEST_CASE("CUDA kernels apply activations, with and without a bias, and their slopes") {
  limbeck_test::check_activation<float>(limbeck::gelu{});
  limbeck_test::check_activation<double>(limbeck::gelu_tanh{});
  limbeck_test::check_activation<double>(limbeck::relu{});
  limbeck_test::check_activation<float>(limbeck::hyperbolic_tangent{});
}

TEST_CASE("CUDA kernels drop what the stream says") {
  limbeck_test::check_dropout<float>();
  limbeck_test::check_dropout<double>();
}

TEST_CASE("CUDA kernels add a bias to rows and sum columns, in an order of their own") {
  limbeck_test::check_bias<float>();
  limbeck_test::check_bias<double>();
}

TEST_CASE("CUDA kernels normalise rows, with and without a residual, and find the gradients") {
  limbeck_test::check_layer_norms<float>();
  limbeck_test::check_layer_norms<double>();
}

TEST_CASE("CUDA kernels normalise rows that do not fit on chip") {
  limbeck_test::check_layer_norm<float>(0.1, true, 2, 11000, {});
}

TEST_CASE("CUDA kernels pick rows of a table, and add to its gradient in the order of the rows") {
  limbeck_test::check_embedding<float>();
  limbeck_test::check_embedding<double>();
  limbeck_test::check_embedding_outside();
}

TEST_CASE("CUDA kernels of late interaction find the best tokens, and the gradients") {
  limbeck_test::check_maxsim<float>();
  limbeck_test::check_maxsim<double>();
}

TEST_CASE("matrix products are described as cuBLASLt wants them") {
  limbeck::cuda_context context;
  limbeck_test::check_matmul<float>({.context = &context});
  limbeck_test::check_matmul<double>({.context = &context});
  limbeck_test::check_linear<float>({.context = &context});
  limbeck_test::check_linear<double>({.context = &context});
  limbeck_test::check_activated_linear<float>({.context = &context}, limbeck::gelu_tanh{});
  limbeck_test::check_activated_linear<float>({.context = &context}, limbeck::gelu{});
  limbeck_test::check_activated_linear<double>({.context = &context}, limbeck::gelu_tanh{});
}

TEST_CASE("GELU by the tanh approximation is applied by the library of products where it can, else after the product") {
  for (const bool can : {true, false}) {
    limbeck_cuda_shim::has_gelu = can;
    limbeck::cuda_context context;
    limbeck_cuda_shim::products_with_gelu = 0;
    limbeck_test::check_activated_linear<float>({.context = &context}, limbeck::gelu_tanh{});
    CHECK((limbeck_cuda_shim::products_with_gelu > 0) == can);
  }
  limbeck_cuda_shim::has_gelu = true;
}

TEST_CASE("a matrix product is chosen once for its sizes, in the workspace that is allowed") {
  limbeck::cuda_context context, narrow({.product_workspace = 8});
  const limbeck_test::plain_matrix numbers(4, 4, 1);
  limbeck_test::on_device_as<float> a(numbers, {}), c(numbers, {});
  const auto multiply = [&](limbeck::cuda_context* in) {
    limbeck::ops::matmul(limbeck::cuda_executor{.context = in}, a.seen(), a.seen(), c.all());
  };
  limbeck_cuda_shim::heuristics = 0;
  multiply(&context);
  multiply(&context);
  CHECK(limbeck_cuda_shim::heuristics == 1);
  CHECK(context.library<limbeck::cublas_lt>().choices() == 1);
  const long before = limbeck_cuda_shim::allocations;
  multiply(&context);
  CHECK(limbeck_cuda_shim::allocations == before);
  CHECK_THROWS_WITH(multiply(&narrow),
                    "cublasLtMatmulAlgoGetHeuristic: no way to multiply [4, 4] by [4, 4] in 8 bytes of workspace");
  CHECK_THROWS_WITH(multiply(nullptr), "matmul: the executor has no cuda_context, which keeps what cuBLASLt needs");
}

}  // namespace
