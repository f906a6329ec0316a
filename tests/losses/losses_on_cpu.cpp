// Part of test_cuda: the side of its comparisons that the C++ compiler translates.
#include "losses/losses_on_cpu.hpp"

#include "limbeck/backend/eigen.hpp"

namespace limbeck_test {

logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::cross_entropy& loss) { return c(loss); }
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::logits_mse& loss) { return c(loss); }
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::annealing_kd& loss) { return c(loss); }
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::margin_mse& loss) { return c(loss); }
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::regression_mse& loss) { return c(loss); }
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::standardised_logits_mse& loss) {
  return c(loss);
}
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::decoupled_kd& loss) { return c(loss); }
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::normalised_kd& loss) { return c(loss); }
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::dist_kd& loss) { return c(loss); }
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const top_k_of<limbeck::top_k_kl>& loss) {
  return c(loss);
}
logit_case<float>::outcome on_cpu(const logit_case<float>& c,
                                  const top_k_of<limbeck::top_k_soft_target<limbeck::jensen_shannon>>& loss) {
  return c(loss);
}
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::attention_kl<>& loss) {
  return c(loss);
}
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::attention_mse<>& loss) {
  return c(loss);
}
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::hidden_mse<>& loss) {
  return c(loss);
}
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::cosine_loss<>& loss) {
  return c(loss);
}
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::patience<>& loss) {
  return c(loss);
}
representation_case<float>::outcome on_cpu(const representation_case<float>& c,
                                           const limbeck::minilm_relations<>& loss) {
  return c(loss);
}
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::value_relation<>& loss) {
  return c(loss);
}
representation_case<float>::outcome on_cpu(const representation_case<float>& c,
                                           const limbeck::relational_distance& loss) {
  return c(loss);
}
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::relational_angle& loss) {
  return c(loss);
}
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::info_nce& loss) {
  return c(loss);
}
representation_case<float>::outcome on_cpu(const representation_case<float>& c,
                                           const limbeck::alp_kd<limbeck::explicit_mapping>& loss) {
  return c(loss);
}
fused_outcome<float> fused_on_cpu(const fused_case<float>& c, bool sum) {
  host_place here;
  return sum ? fused_in(here, c, fused_sum(), c.rows) : fused_in(here, c, fused_divergence(), c.rows);
}
representation_case<float>::outcome on_cpu(const representation_case<float>& c,
                                           placed_projection<float, limbeck::cpu>& projection) {
  host_place here;
  return c(limbeck::hidden_mse{limbeck::uniform_mapping{}, projection.in(here)});
}
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const placed_bank<float>& bank) {
  host_place here;
  return c(bank.in(here, 0.2));
}
representation_case<float>::outcome on_cpu(const representation_case<float>& c,
                                           placed_answers<float, limbeck::cpu>& answers) {
  host_place here;
  return c(answers.in(here));
}

}  // namespace limbeck_test
