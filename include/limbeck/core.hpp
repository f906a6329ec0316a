// Everything in limbeck/core.
#pragma once

#include "limbeck/core/config.hpp"
#include "limbeck/core/constant_math.hpp"
#include "limbeck/core/error.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/fnv.hpp"
#include "limbeck/core/half.hpp"
#include "limbeck/core/math.hpp"
#include "limbeck/core/message.hpp"
#include "limbeck/core/number.hpp"
#include "limbeck/core/per_layer.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/core/random_choice.hpp"
#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/core/targets.hpp"
#include "limbeck/core/view.hpp"
