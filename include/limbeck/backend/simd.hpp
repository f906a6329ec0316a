// Vectors of numbers, the functions on them, and the choice of instructions at run time. Needs no compiler flag.
#pragma once

#include "limbeck/backend/simd_dispatch.hpp"
#include "limbeck/backend/simd_math.hpp"
#include "limbeck/backend/simd_memory.hpp"
#include "limbeck/backend/simd_vector.hpp"
