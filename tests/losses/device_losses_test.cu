// Losses on logits, attention maps and hidden states on a device, against the host. Without a device every case skips
// itself.
#include "losses/fused_device_cases.hpp"
#include "losses/logit_device_cases.hpp"
#include "losses/losses_on_cpu.hpp"
#include "losses/representation_device_cases.hpp"
#include "losses/top_k_device_cases.hpp"

namespace {

struct on_host {
  auto operator()(const auto& c, auto&& loss) const { return limbeck_test::on_cpu(c, loss); }
};

bool no_device() { return limbeck::cuda_device_count() == 0; }

}  // namespace

TEST_CASE("cross_entropy agrees with the host on a device, and a label that is no class gives NaN") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_cross_entropy<float>(on_host{}, 1e-5);
  limbeck_test::check_labels_outside();
}

TEST_CASE("logits_mse and regression_mse agree with the host on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_squared_logits<float>(on_host{}, 1e-5);
}

TEST_CASE("decoupled_kd, normalised_kd and standardised_logits_mse agree with the host on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_label_apart<float>(on_host{}, 2e-5);
  limbeck_test::check_standardised<float>(on_host{}, 2e-5);
  limbeck_test::check_written(limbeck::cross_entropy{});
  limbeck_test::check_written(limbeck::soft_target_kl{});
  limbeck_test::check_written(limbeck::decoupled_kd{});
}

TEST_CASE("margin_mse agrees with the host on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_margins<float>(on_host{}, 1e-5);
  limbeck_test::check_written(limbeck::margin_mse{});
}

TEST_CASE("dist_kd agrees with the host on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_correlations<float>(on_host{}, 5e-5);
  limbeck_test::check_written(limbeck::dist_kd{});
}

TEST_CASE("top_k_soft_target agrees with the host on a device, in every mode") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_top_k<float>(on_host{}, 2e-5);
  limbeck_test::check_top_k_that_does_not_rise();
}

TEST_CASE("fused_linear agrees with the host on a device, whatever the workspace") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_fused_linear<float>(limbeck_test::fused_on_cpu, 2e-5);
}

TEST_CASE("cosine_loss and patience agree with the host on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_directions<float>(on_host{});
}

TEST_CASE("attention_mse agrees with the host on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_attention_mse<float>(on_host{});
}

TEST_CASE("attention_kl agrees with the host on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_attention_kl<float>(on_host{});
}

TEST_CASE("minilm_relations and value_relation agree with the host on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_relations<float>(on_host{});
}

TEST_CASE("relational_distance, relational_angle and info_nce agree with the host on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_vectors<float>(on_host{});
}

TEST_CASE("contrastive_nce agrees with the host on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_bank<float>(on_host{});
}

TEST_CASE("universal_kd agrees with the host on a device, and so do its heads") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_answers<float>(on_host{});
}

TEST_CASE("alp_kd agrees with the host on a device") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_attended_layers<float>(on_host{});
}

TEST_CASE("hidden_mse agrees with the host on a device, projected and not") {
  if (no_device()) LIMBECK_SKIP("no CUDA device");
  limbeck_test::check_hidden_mse<float>(on_host{});
  limbeck_test::check_projected_mse<float>(on_host{});
}
