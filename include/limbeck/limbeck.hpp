// Every folder of limbeck that needs Eigen only.
#pragma once

#include "limbeck/backend.hpp"
#include "limbeck/blocks.hpp"
#include "limbeck/compress.hpp"
#include "limbeck/core.hpp"
#include "limbeck/interop.hpp"
#include "limbeck/losses.hpp"
#include "limbeck/mappings.hpp"
#include "limbeck/models.hpp"
#include "limbeck/ops.hpp"
