// cuBLASLt applies GELU by the tanh approximation to a product before it is written, and its slope likewise.
#pragma once

#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/ops/element_formulas.hpp"
#include "limbeck/ops/matmul_cuda.hpp"
#include "limbeck/ops/product_epilogue.hpp"
#include "limbeck/ops/sweep_cuda.hpp"

namespace limbeck {
struct gelu_tanh;
}
namespace limbeck::ops::detail {

template <>
struct product_epilogue<cuda, gelu_tanh, float> {
  using matrix = view<float, 2, cuda>;
  using read_matrix = view<const float, 2, cuda>;
  using read_row = view<const float, 1, cuda>;
  static constexpr bool known = true;

  static bool forward(const cuda_executor& on, const read_matrix& x, const read_matrix& w, const read_row& bias,
                      const matrix& before, const matrix& after) {
    const bool keeps = before.data() != after.data();
    return (!keeps || takes(before, after)) &&
           products(on).try_multiply(
               on, 1.0F, x, w, 0.0F, after,
               {.bias = bias.data(), .gelu = true, .before_gelu = keeps ? before.data() : nullptr});
  }
  static bool backward(const cuda_executor& on, const read_matrix& dy, const read_matrix& w, const read_matrix& before,
                       const view<float, 1, cuda>& dbias, const matrix& dx) {
    if (!takes(before, dx)) return false;
    const cuda_workspace<float> sums(on, dbias.count());
    if (!products(on).try_multiply(on, 1.0F, dy, w, 0.0F, dx,
                                   {.gelu_slope_at = before.data(), .column_sums = sums.data()}))
      return false;
    if (dbias.empty()) return true;
    const matrix row(dbias.data(), 1, dbias.extent(0));  // of the library's sums, which it writes and does not add
    sweep(on, sum_of_two{}, row, read_only(row), read_matrix(sums.data(), 1, dbias.extent(0)));
    return true;
  }

 private:
  /// Whether the library can write there, or read, what GELU is applied to when it writes `result`.
  static bool takes(const read_matrix& before, const matrix& result) {
    return before.stride(0) % 8 == 0 && before.stride(0) == result.stride(0);
  }
  static cublas_lt& products(const cuda_executor& on) { return library_of_products(on); }
};

}  // namespace limbeck::ops::detail
