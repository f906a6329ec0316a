// The CUDA kernels of attention, on the processor.
#include "shimmed_ops.hpp"

#include "ops/device_attention_cases.hpp"

namespace {

TEST_CASE("the CUDA kernels of attention agree with plain loops, forward and backward") {
  limbeck_test::check_attentions<double>();
  limbeck_test::check_attentions<float>();
}

TEST_CASE("the CUDA kernels of attention take rows that are queries only, and queries that lie elsewhere") {
  limbeck_test::check_attentions_of_some_rows<double>();
}

TEST_CASE("the CUDA kernels of attention take heads of any width up to 128") {
  for (const limbeck_test::index width : {32, 33, 100, 128})
    limbeck_test::check_attention<double>({.tokens = 7, .heads = 1, .width = width, .rows = {{0, 7, 7}}});
  CHECK_THROWS_WITH(limbeck_test::check_attention<float>({.tokens = 2, .heads = 1, .width = 129, .rows = {{0, 2, 2}}}),
                    "attention: heads of 129 columns; on a device they may have 128");
}

}  // namespace
