// Losses on attention maps and hidden states by CUDA's kernels, on the processor, against the host's.
#include "shimmed_losses.hpp"

#include "limbeck/backend/eigen.hpp"
#include "losses/representation_device_cases.hpp"

namespace {

using limbeck_test::on_this_host;
using limbeck_test::placed_projection;
using limbeck_test::representation_case;

template <class A>
auto projected(const representation_case<A>& c, placed_projection<A, limbeck::cpu>& projection) {
  limbeck_test::host_place here;
  return c(limbeck::hidden_mse{limbeck::uniform_mapping{}, projection.in(here)});
}

TEST_CASE("CUDA kernels of attention_mse agree with the host, with what counts as 0 and without") {
  limbeck_test::check_attention_mse<double>(on_this_host);
  limbeck_test::check_attention_mse<float>(on_this_host);
}

TEST_CASE("CUDA kernels of attention_kl agree with the host, on scores and on probabilities") {
  limbeck_test::check_attention_kl<double>(on_this_host);
  limbeck_test::check_attention_kl<float>(on_this_host);
}

TEST_CASE("CUDA kernels of hidden_mse agree with the host, and so do their projections") {
  limbeck_test::check_hidden_mse<double>(on_this_host);
  limbeck_test::check_hidden_mse<float>(on_this_host);
  limbeck_test::check_projected_mse<double>([](const auto& c, auto& p) { return projected(c, p); });
}

TEST_CASE("CUDA kernels of cosine_loss and patience agree with the host") {
  limbeck_test::check_directions<double>(on_this_host);
  limbeck_test::check_directions<float>(on_this_host);
}

TEST_CASE("CUDA kernels of minilm_relations and value_relation agree with the host") {
  limbeck_test::check_relations<double>(on_this_host);
  limbeck_test::check_relations<float>(on_this_host);
}

TEST_CASE("CUDA kernels of relational_distance, relational_angle and info_nce agree with the host") {
  limbeck_test::check_vectors<double>(on_this_host);
  limbeck_test::check_vectors<float>(on_this_host);
}

TEST_CASE("CUDA kernels of contrastive_nce agree with the host") {
  const auto on_host = [](const auto& c, const auto& bank) {
    limbeck_test::host_place here;
    return c(bank.in(here, 0.2));
  };
  limbeck_test::check_bank<double>(on_host);
  limbeck_test::check_bank<float>(on_host);
}

TEST_CASE("CUDA kernels of universal_kd agree with the host, and so do its heads") {
  const auto on_host = [](const auto& c, auto& answers) {
    limbeck_test::host_place here;
    return c(answers.in(here));
  };
  limbeck_test::check_answers<double>(on_host);
  limbeck_test::check_answers<float>(on_host);
}

TEST_CASE("CUDA kernels of alp_kd agree with the host") {
  limbeck_test::check_attended_layers<double>(on_this_host);
  limbeck_test::check_attended_layers<float>(on_this_host);
}

TEST_CASE("written gradients of states are refused on a device") {
  limbeck_test::device_place device;
  const auto states = limbeck_test::random_batch(limbeck::signal::hidden, 1, 3, 3);
  CHECK_THROWS_WITH(
      states.at_place(device, limbeck::hidden_mse<>{{}, {}, {.states = limbeck::gradient_holds::anything}}),
      Catch::Matchers::Contains("on a device gradients are added to"));
}

}  // namespace
