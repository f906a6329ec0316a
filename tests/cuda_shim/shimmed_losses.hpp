// As shimmed_ops.hpp, for losses too.
#pragma once

#include "shimmed_ops.hpp"

#include "limbeck/losses/alp_kd_cuda.hpp"
#include "limbeck/losses/attention_kl_cuda.hpp"
#include "limbeck/losses/attention_mse_cuda.hpp"
#include "limbeck/losses/contrastive_cuda.hpp"
#include "limbeck/losses/cross_entropy_cuda.hpp"
#include "limbeck/losses/decoupled_cuda.hpp"
#include "limbeck/losses/dist_kd_cuda.hpp"
#include "limbeck/losses/hidden_states_cuda.hpp"
#include "limbeck/losses/in_batch_cuda.hpp"
#include "limbeck/losses/info_nce_cuda.hpp"
#include "limbeck/losses/logits_mse_cuda.hpp"
#include "limbeck/losses/margin_mse_cuda.hpp"
#include "limbeck/losses/patience_cuda.hpp"
#include "limbeck/losses/relational_cuda.hpp"
#include "limbeck/losses/relations_cuda.hpp"
#include "limbeck/losses/soft_target_cuda.hpp"
#include "limbeck/losses/standardised_mse_cuda.hpp"
#include "limbeck/losses/term_weights_cuda.hpp"
#include "limbeck/losses/top_k_cuda.hpp"
#include "limbeck/losses/universal_kd_cuda.hpp"
#include "limbeck/models/placed_batch_cuda.hpp"

namespace limbeck_test {

/// What the host makes of a case.
inline constexpr auto on_this_host = [](const auto& c, const auto& loss) { return c(loss); };

}  // namespace limbeck_test
