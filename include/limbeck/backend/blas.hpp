// The matrix product of a BLAS library, through its C interface.
#pragma once

#include <cblas.h>

#include <algorithm>
#include <concepts>

#include "limbeck/backend/matmul_provider.hpp"

extern "C" {
/// OpenBLAS only; null elsewhere.
void openblas_set_num_threads(int) __attribute__((weak));
}

namespace limbeck {

/// gemm of the BLAS that the program is linked with (component `blas`). limbeck splits products over threads itself; an
/// OpenBLAS is told so on first use, another library's own threads are set by its environment variables.
struct blas_provider {
  template <class T>
    requires std::same_as<T, float> || std::same_as<T, double>
  static void multiply(T alpha, view<const T, 2> a, view<const T, 2> b, T beta, view<T, 2> c) {
    static const bool single = [] {
      if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
      return true;
    }();
    (void)single;
    const auto rows = static_cast<int>(c.extent(0)), columns = static_cast<int>(c.extent(1)),
               inner = static_cast<int>(a.extent(1)),
               out = static_cast<int>(std::max({c.stride(0), c.extent(1), index{1}}));  // of one row any stride will do
    const operand left = describe(a), right = describe(b);
    if constexpr (std::same_as<T, float>)
      cblas_sgemm(CblasRowMajor, left.form, right.form, rows, columns, inner, alpha, a.data(), left.leading, b.data(),
                  right.leading, beta, c.data(), out);
    else
      cblas_dgemm(CblasRowMajor, left.form, right.form, rows, columns, inner, alpha, a.data(), left.leading, b.data(),
                  right.leading, beta, c.data(), out);
  }

 private:
  struct operand {
    CBLAS_TRANSPOSE form;
    int leading;
  };
  template <class T>
  static operand describe(view<const T, 2> v) {
    const bool rows = v.stride(1) == 1;
    const index leading = std::max({rows ? v.stride(0) : v.stride(1), rows ? v.extent(1) : v.extent(0), index{1}});
    return {rows ? CblasNoTrans : CblasTrans, static_cast<int>(leading)};
  }
};

}  // namespace limbeck
