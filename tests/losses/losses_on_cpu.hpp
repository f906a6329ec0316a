// The host's losses for tests that a CUDA compiler translates: it does not see their kernels.
#pragma once

#include "limbeck/losses/alp_kd.hpp"
#include "limbeck/losses/annealing_kd.hpp"
#include "limbeck/losses/attention_kl.hpp"
#include "limbeck/losses/attention_mse.hpp"
#include "limbeck/losses/cosine.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/decoupled.hpp"
#include "limbeck/losses/dist_kd.hpp"
#include "limbeck/losses/hidden_mse.hpp"
#include "limbeck/losses/info_nce.hpp"
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/margin_mse.hpp"
#include "limbeck/losses/patience.hpp"
#include "limbeck/losses/regression_mse.hpp"
#include "limbeck/losses/relational.hpp"
#include "limbeck/losses/relations.hpp"
#include "limbeck/losses/standardised_mse.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "losses/fused_case.hpp"
#include "losses/logit_case.hpp"
#include "losses/placed_answers.hpp"
#include "losses/placed_bank.hpp"
#include "losses/placed_projection.hpp"
#include "losses/representation_case.hpp"
#include "losses/top_k_of.hpp"

namespace limbeck_test {

logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::cross_entropy& loss);
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::logits_mse& loss);
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::annealing_kd& loss);
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::margin_mse& loss);
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::regression_mse& loss);
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::standardised_logits_mse& loss);
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::decoupled_kd& loss);
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::normalised_kd& loss);
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const limbeck::dist_kd& loss);
logit_case<float>::outcome on_cpu(const logit_case<float>& c, const top_k_of<limbeck::top_k_kl>& loss);
logit_case<float>::outcome on_cpu(const logit_case<float>& c,
                                  const top_k_of<limbeck::top_k_soft_target<limbeck::jensen_shannon>>& loss);
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::attention_kl<>& loss);
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::attention_mse<>& loss);
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::hidden_mse<>& loss);
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::cosine_loss<>& loss);
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::patience<>& loss);
representation_case<float>::outcome on_cpu(const representation_case<float>& c,
                                           const limbeck::minilm_relations<>& loss);
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::value_relation<>& loss);
representation_case<float>::outcome on_cpu(const representation_case<float>& c,
                                           const limbeck::relational_distance& loss);
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::relational_angle& loss);
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const limbeck::info_nce& loss);
representation_case<float>::outcome on_cpu(const representation_case<float>& c,
                                           const limbeck::alp_kd<limbeck::explicit_mapping>& loss);
fused_outcome<float> fused_on_cpu(const fused_case<float>& c, bool sum);
/// hidden_mse with the projection, whose gradients it adds to.
representation_case<float>::outcome on_cpu(const representation_case<float>& c,
                                           placed_projection<float, limbeck::cpu>& projection);
/// contrastive_nce with the bank, at a temperature of 0.2.
representation_case<float>::outcome on_cpu(const representation_case<float>& c, const placed_bank<float>& bank);
/// universal_kd of the answers, whose heads' gradients it adds to.
representation_case<float>::outcome on_cpu(const representation_case<float>& c,
                                           placed_answers<float, limbeck::cpu>& answers);

}  // namespace limbeck_test
