// Everything in limbeck/compress.
#pragma once

#include "limbeck/compress/low_rank.hpp"
#include "limbeck/compress/magnitude_mask.hpp"
#include "limbeck/compress/orthogonal_rows.hpp"
#include "limbeck/compress/quantise.hpp"
#include "limbeck/compress/straight_through.hpp"
#include "limbeck/compress/ternary.hpp"
