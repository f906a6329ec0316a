// Everything in limbeck/blocks.
#pragma once

#include "limbeck/blocks/answers.hpp"
#include "limbeck/blocks/batch_layout.hpp"
#include "limbeck/blocks/feed_forward.hpp"
#include "limbeck/blocks/masks.hpp"
#include "limbeck/blocks/norm.hpp"
#include "limbeck/blocks/pass.hpp"
#include "limbeck/blocks/self_attention.hpp"
#include "limbeck/blocks/transformer_block.hpp"
