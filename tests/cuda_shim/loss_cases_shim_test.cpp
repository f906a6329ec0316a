// The worked cases of losses on CUDA's kernels, on the processor: all whose loss runs on a device.
#include "shimmed_losses.hpp"

#include "golden/attended_cases.hpp"
#include "golden/check_loss_cases.hpp"
#include "golden/logit_cases.hpp"
#include "golden/ranking_cases.hpp"
#include "golden/relation_cases.hpp"
#include "golden/representation_cases.hpp"
#include "golden/sample_vector_cases.hpp"
#include "limbeck/backend/eigen.hpp"

namespace {

constexpr int least = 62;  // cases of the file

TEST_CASE("loss_cases: values and gradients of CUDA kernels in double", "[golden]") {
  CHECK(limbeck_test::run_cases(true) >= least);
}

TEST_CASE("loss_cases: values and gradients of CUDA kernels in float", "[golden]") {
  CHECK(limbeck_test::run_cases(false) >= least);
}

}  // namespace
