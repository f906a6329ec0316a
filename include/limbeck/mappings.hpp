// Everything in limbeck/mappings.
#pragma once

#include "limbeck/mappings/any_mapping.hpp"
#include "limbeck/mappings/block.hpp"
#include "limbeck/mappings/ends.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "limbeck/mappings/layer_table.hpp"
#include "limbeck/mappings/mapping_policy.hpp"
#include "limbeck/mappings/monotone.hpp"
#include "limbeck/mappings/random.hpp"
#include "limbeck/mappings/remap.hpp"
#include "limbeck/mappings/top.hpp"
#include "limbeck/mappings/transport.hpp"
#include "limbeck/mappings/uniform.hpp"
#include "limbeck/mappings/without_last.hpp"
