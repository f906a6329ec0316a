// Operations on matrices on a device, against plain loops. Without a device every case skips itself.
#include "limbeck/ops/activation.hpp"
#include "limbeck/ops/dropout.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "limbeck/ops/layer_norm.hpp"

#include "ops/device_ops_cases.hpp"

namespace {

bool no_device() { return limbeck::cuda_device_count() == 0; }

}  // namespace

TEST_CASE("matrices are added, copied and filled on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_elementwise<float>();
  limbeck_test::check_elementwise<double>();
}

TEST_CASE("the largest number of each row is found on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_argmax<float>();
  limbeck_test::check_argmax<double>();
}

TEST_CASE("activations and their slopes are those of the host on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_activation<float>(limbeck::gelu{});
  limbeck_test::check_activation<double>(limbeck::gelu_tanh{});
  limbeck_test::check_activation<double>(limbeck::relu{});
  limbeck_test::check_activation<float>(limbeck::hyperbolic_tangent{});
}

TEST_CASE("dropout drops what the stream says on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_dropout<float>();
  limbeck_test::check_dropout<double>();
}

TEST_CASE("a bias is added and columns are summed on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_bias<float>();
  limbeck_test::check_bias<double>();
}

TEST_CASE("matrices of every form are multiplied on a device, and rows mapped, with their gradients") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck::cuda_context context;
  limbeck_test::check_matmul<float>({.context = &context});
  limbeck_test::check_matmul<double>({.context = &context});
  limbeck_test::check_linear<float>({.context = &context});
  limbeck_test::check_linear<double>({.context = &context});
  limbeck_test::check_activated_linear<float>({.context = &context}, limbeck::gelu_tanh{});
  limbeck_test::check_activated_linear<float>({.context = &context}, limbeck::gelu{});
  limbeck_test::check_activated_linear<double>({.context = &context}, limbeck::gelu_tanh{});
}

TEST_CASE("late interaction finds the best tokens on a device, and the gradients") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_maxsim<float>();
  limbeck_test::check_maxsim<double>();
}

TEST_CASE("rows are normalised on a device, in shared memory and outside") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_layer_norms<float>();
  limbeck_test::check_layer_norms<double>();
  limbeck_test::check_layer_norm<float>(0.1, true, 2, 11000, {});
  limbeck_test::check_layer_norm<float>(0.1, true, 3000, 768, {});
}

TEST_CASE("rows of a table are picked on a device, and added to its gradient") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_embedding<float>();
  limbeck_test::check_embedding<double>();
  limbeck_test::check_embedding_outside();
}
