// CUDA's kernels of losses on rows of logits, on the processor, against the host's.
#include "shimmed_losses.hpp"

#include "host_place.hpp"
#include "limbeck/backend/eigen.hpp"
#include "losses/fused_device_cases.hpp"
#include "losses/logit_device_cases.hpp"
#include "losses/top_k_device_cases.hpp"

namespace {

using limbeck_test::on_this_host;

TEST_CASE("the CUDA kernel of cross_entropy agrees with the host's") {
  limbeck_test::check_cross_entropy<double>(on_this_host, 1e-12);
  limbeck_test::check_cross_entropy<float>(on_this_host, 4e-6);
}

TEST_CASE("the CUDA kernels of logits_mse and regression_mse agree with the host's") {
  limbeck_test::check_squared_logits<double>(on_this_host, 1e-12);
  limbeck_test::check_squared_logits<float>(on_this_host, 4e-6);
}

TEST_CASE("the CUDA kernels of decoupled_kd and normalised_kd agree with the host's") {
  limbeck_test::check_label_apart<double>(on_this_host, 1e-11);
  limbeck_test::check_label_apart<float>(on_this_host, 1e-5);
}

TEST_CASE("the CUDA kernel of standardised_logits_mse agrees with the host's") {
  limbeck_test::check_standardised<double>(on_this_host, 1e-12);
  limbeck_test::check_standardised<float>(on_this_host, 1e-5);
}

TEST_CASE("the CUDA kernel of margin_mse agrees with the host's") {
  limbeck_test::check_margins<double>(on_this_host, 1e-12);
  limbeck_test::check_margins<float>(on_this_host, 1e-5);
  limbeck_test::check_written(limbeck::margin_mse{});
}

TEST_CASE("the CUDA kernels of dist_kd agree with the host's") {
  limbeck_test::check_correlations<double>(on_this_host, 1e-11);
  limbeck_test::check_correlations<float>(on_this_host, 2e-5);
  limbeck_test::check_written(limbeck::dist_kd{});
}

TEST_CASE("the CUDA kernel of top_k_soft_target agrees with the host's, in every mode") {
  limbeck_test::check_top_k<double>(on_this_host, 1e-11);
  limbeck_test::check_top_k<float>(on_this_host, 1e-5);
}

TEST_CASE("kept classes that do not rise give the CUDA kernel of top_k_soft_target NaN and no gradient") {
  limbeck_test::check_top_k_that_does_not_rise();
}

TEST_CASE("fused_linear on CUDA kernels agrees with the host's, whatever the workspace") {
  const auto host = [](const auto& c, bool sum) {
    limbeck_test::host_place here;
    return sum ? fused_in(here, c, limbeck_test::fused_sum(), c.rows)
               : fused_in(here, c, limbeck_test::fused_divergence(), c.rows);
  };
  limbeck_test::check_fused_linear<double>(host, 1e-12);
  limbeck_test::check_fused_linear<float>(host, 1e-5);
}

TEST_CASE("CUDA kernels write a gradient that holds anything, without reading it") {
  limbeck_test::check_written(limbeck::cross_entropy{});
  limbeck_test::check_written(limbeck::soft_target_kl{});
  limbeck_test::check_written(limbeck::soft_target_reverse_kl{});
  limbeck_test::check_written(limbeck::logits_mse{});
  limbeck_test::check_written(limbeck::standardised_logits_mse{});
  limbeck_test::check_written(limbeck::decoupled_kd{});
  limbeck_test::check_written(limbeck::normalised_kd{});
}

TEST_CASE("a label that is no class gives the CUDA kernel of cross_entropy NaN and no gradient") {
  limbeck_test::check_labels_outside();
}

}  // namespace
