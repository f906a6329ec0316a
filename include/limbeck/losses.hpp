// Everything in limbeck/losses.
#pragma once

#include "limbeck/losses/any_loss.hpp"
#include "limbeck/losses/attention_mse.hpp"
#include "limbeck/losses/cross_entropy.hpp"
#include "limbeck/losses/divergences.hpp"
#include "limbeck/losses/hidden_mse.hpp"
#include "limbeck/losses/logit_rows.hpp"
#include "limbeck/losses/logits_mse.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/objective.hpp"
#include "limbeck/losses/projection.hpp"
#include "limbeck/losses/regression_mse.hpp"
#include "limbeck/losses/representation.hpp"
#include "limbeck/losses/schedule.hpp"
#include "limbeck/losses/soft_target.hpp"
#include "limbeck/losses/softened_pair.hpp"
#include "limbeck/losses/write_gradient.hpp"
