// What a library must offer to be the matrix product of a cpu_executor.
#pragma once

#include "limbeck/core/view.hpp"

namespace limbeck {

/// c = alpha a b + beta c on one thread, for a [rows, inner], b [inner, columns], c [rows, columns]. In each matrix one
/// of the two strides is 1; c is not transposed. With beta = 0 what c held is not read. ops/matmul.hpp checks the
/// shapes, and splits large products over the threads of a call, so the result does not depend on a library's own pool.
template <class P, class T>
concept matmul_provider = requires(view<const T, 2> a, view<const T, 2> b, view<T, 2> c, T scale) {
  { P::multiply(scale, a, b, scale, c) };
};

}  // namespace limbeck
