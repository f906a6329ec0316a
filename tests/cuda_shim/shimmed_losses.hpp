// As shimmed_ops.hpp, for losses too.
#pragma once

#include "shimmed_ops.hpp"

#include "limbeck/losses/attention_mse_cuda.hpp"
#include "limbeck/losses/cross_entropy_cuda.hpp"
#include "limbeck/losses/hidden_states_cuda.hpp"
#include "limbeck/losses/logits_mse_cuda.hpp"
#include "limbeck/losses/soft_target_cuda.hpp"
#include "limbeck/models/placed_batch_cuda.hpp"
