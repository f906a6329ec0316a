// Everything in limbeck/backend.
#pragma once

#include "limbeck/backend/arena.hpp"
#include "limbeck/backend/array_mover.hpp"
#include "limbeck/backend/buffer.hpp"
#include "limbeck/backend/copy.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/backend/host_copy.hpp"
#include "limbeck/backend/matmul_provider.hpp"
#include "limbeck/backend/scratch.hpp"
#include "limbeck/backend/simd.hpp"
#include "limbeck/backend/simd_dispatch.hpp"
#include "limbeck/backend/simd_math.hpp"
#include "limbeck/backend/simd_memory.hpp"
#include "limbeck/backend/simd_vector.hpp"
#include "limbeck/backend/threads.hpp"
