// What work on a CUDA device is told: for host code too.
#pragma once

#include "limbeck/core/view.hpp"

namespace limbeck {

/// What the factors of a product of float matrices are rounded to; sums are float always.
enum class product_precision {
  full,  ///< not at all
  tf32,  ///< 10 bits behind the point, by tensor cores
  bf16   ///< 7 bits, by tensor cores, or tf32 where the library thinks that faster
};

struct cuda_options {
  product_precision products = product_precision::full;
  index product_workspace = index{32} << 20;  ///< bytes that a matrix product may use beside its matrices
};

}  // namespace limbeck
