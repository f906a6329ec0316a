// Attention on a device, against plain loops: in float alone, its kernels take long to compile. Without a device every
// case skips itself.
#include "ops/device_attention_cases.hpp"

namespace {

bool no_device() { return limbeck::cuda_device_count() == 0; }

}  // namespace

TEST_CASE("attention agrees with plain loops on a device, forward and backward") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_attentions<float>();
}

TEST_CASE("attention takes rows that are queries only, and queries that lie elsewhere, on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_attentions_of_some_rows<float>();
}

TEST_CASE("attention takes heads of any width up to 128 on a device, and long samples") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  for (const limbeck_test::index width : {32, 33, 64, 100, 128})
    limbeck_test::check_attention<float>({.tokens = 7, .heads = 1, .width = width, .rows = {{0, 7, 7}}});
  limbeck_test::check_attention<float>({.tokens = 500, .heads = 2, .width = 64, .rows = {{0, 499, 499}}});
}
