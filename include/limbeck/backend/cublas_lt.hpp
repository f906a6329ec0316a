// Matrix products on a device by cuBLASLt, whose descriptions and choices are kept.
#pragma once

// tests/cuda_shim defines LIMBECK_CUDA_SHIM together with the few names of the library that limbeck calls.
#if !defined(LIMBECK_CUDA_SHIM)
#include <cublasLt.h>
#endif

#include <algorithm>
#include <compare>
#include <concepts>
#include <cstdint>
#include <map>
#include <string>

#include "limbeck/backend/cuda_buffer.hpp"
#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/backend/cuda_handle.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {
namespace detail {

/// Throws backend_error, `cublasLtMatmul: not supported (CUBLAS_STATUS_NOT_SUPPORTED)`, unless `status` is success.
inline void throw_on_failure(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw backend_error(std::string(call) + ": " + cublasLtGetStatusString(status) + " (" +
                      cublasLtGetStatusName(status) + ")");
}

}  // namespace detail

/// What is done to a product before it is written: nothing where all is null. GELU is that of the tanh approximation.
template <class T>
struct product_end {
  const T* bias = nullptr;           ///< [columns]: added to each row
  bool gelu = false;                 ///< of the sum with the bias
  T* before_gelu = nullptr;          ///< takes what GELU was applied to, as c lies; its rows 8 n numbers apart
  const T* gelu_slope_at = nullptr;  ///< lies as before_gelu: the product is multiplied by GELU's slope there
  T* column_sums = nullptr;          ///< [columns]: takes the sums of the result's columns, after gelu_slope_at
};

/// Belongs to one cuda_context, and with it to one stream.
class cublas_lt {
 public:
  cublas_lt() {
    cublasLtHandle_t made = nullptr;
    detail::throw_on_failure(cublasLtCreate(&made), "cublasLtCreate");
    library_.reset(made);
  }

  /// c = end(alpha a b + beta c). In each matrix one of the two strides is 1; c's rows have no gaps; none is empty.
  /// Chosen once for sizes, strides and alignment, and never by a scheme whose sums have no order, so the bits are the
  /// same every time. Throws backend_error where the library has no such product.
  template <bool Launches, class T>
    requires std::same_as<T, float> || std::same_as<T, double>
  void multiply(const basic_cuda_executor<Launches>& on, T alpha, view<const T, 2, cuda> a, view<const T, 2, cuda> b,
                T beta, view<T, 2, cuda> c, const product_end<T>& end = {}) {
    if (!try_multiply(on, alpha, a, b, beta, c, end))
      throw backend_error(message("cublasLtMatmulAlgoGetHeuristic: no way to multiply [", c.extent(0), ", ",
                                  a.extent(1), "] by [", a.extent(1), ", ", c.extent(1), "] in ",
                                  on.context->options().product_workspace, " bytes of workspace"));
  }
  /// The same, but false, and nothing done, where the library has no such product.
  template <bool Launches, class T>
  [[nodiscard]] bool try_multiply(const basic_cuda_executor<Launches>& on, T alpha, view<const T, 2, cuda> a,
                                  view<const T, 2, cuda> b, T beta, view<T, 2, cuda> c, const product_end<T>& end) {
    // The library's matrices are stored by columns: what it makes is c' = b' a'.
    const stored left = describe(b), right = describe(a), out = describe(view<const T, 2, cuda>(c));
    const product_key key{.rows = c.extent(1),
                          .columns = c.extent(0),
                          .inner = a.extent(1),
                          .leading = {left.leading, right.leading, out.leading},
                          .transposed = {left.transposed, right.transposed},
                          .aligned = {alignment(b.data()), alignment(a.data()), alignment(c.data(), end)},
                          .numbers = std::same_as<T, float> ? CUDA_R_32F : CUDA_R_64F,
                          .sums = sums<T>(on.context->options().products),
                          .end = epilogue(end)};
    const product& chosen = choice(key, end, on.context->options().product_workspace);
    if (!chosen.possible) return false;
    point(chosen.what.get(), key, end);
    if (workspace_.count() < chosen.workspace) {
      workspace_ = {};
      workspace_ = buffer<std::byte, cuda>(on, chosen.workspace);
    }
    detail::throw_on_failure(
        cublasLtMatmul(library_.get(), chosen.what.get(), &alpha, b.data(), chosen.left.get(), a.data(),
                       chosen.right.get(), &beta, c.data(), chosen.out.get(), c.data(), chosen.out.get(), &chosen.how,
                       workspace_.data(), static_cast<std::size_t>(chosen.workspace), on.stream),
        "cublasLtMatmul");
    return true;
  }

  /// Products that have been chosen; for tests.
  [[nodiscard]] std::size_t choices() const { return chosen_.size(); }

 private:
  /// How a factor lies in memory, seen as a matrix that is stored by columns.
  struct stored {
    index leading;
    bool transposed;  // it has to be turned to be the factor of c' = b' a'
  };
  template <class T>
  static stored describe(view<const T, 2, cuda> v) {
    const bool by_rows = v.stride(1) == 1 || v.extent(1) == 1;
    const index apart = by_rows ? v.stride(0) : v.stride(1), least = by_rows ? v.extent(1) : v.extent(0);
    return {std::max(apart, least), !by_rows};
  }

  /// What a choice depends on, of the product that the library sees.
  struct product_key {
    index rows, columns, inner;
    index leading[3];
    bool transposed[2];
    unsigned aligned[3];
    cudaDataType numbers;
    cublasComputeType_t sums;
    cublasLtEpilogue_t end;

    friend auto operator<=>(const product_key&, const product_key&) = default;
  };
  struct product {
    detail::cuda_handle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy> what;
    detail::cuda_handle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy> left, right, out;
    bool possible = false;
    cublasLtMatmulAlgo_t how{};
    index workspace = 0;  // bytes
  };

  static constexpr unsigned widest_alignment = 256;
  static unsigned alignment(const void* p) {
    const auto at = reinterpret_cast<std::uintptr_t>(p) | widest_alignment;
    return static_cast<unsigned>(at & (~at + 1));
  }
  /// Of all that is written, or read for it.
  template <class T>
  static unsigned alignment(const T* c, const product_end<T>& end) {
    unsigned least = alignment(c);
    const auto with = [&](const T* p) { least = p == nullptr ? least : std::min(least, alignment(p)); };
    with(end.bias);
    with(end.before_gelu);
    with(end.gelu_slope_at);
    with(end.column_sums);
    return least;
  }
  template <class T>
  static cublasLtEpilogue_t epilogue(const product_end<T>& end) {
    if (end.gelu_slope_at != nullptr)
      return end.column_sums == nullptr ? CUBLASLT_EPILOGUE_DGELU : CUBLASLT_EPILOGUE_DGELU_BGRAD;
    const bool biased = end.bias != nullptr;
    if (!end.gelu) return biased ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    if (end.before_gelu == nullptr) return biased ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
    return biased ? CUBLASLT_EPILOGUE_GELU_AUX_BIAS : CUBLASLT_EPILOGUE_GELU_AUX;
  }
  /// Says where what the epilogue reads and writes lies.
  template <class T>
  static void point(cublasLtMatmulDesc_t what, const product_key& key, const product_end<T>& end) {
    const void* const row = end.column_sums != nullptr ? end.column_sums : end.bias;
    const void* const beside = end.before_gelu != nullptr ? end.before_gelu : end.gelu_slope_at;
    if (row != nullptr) set(what, CUBLASLT_MATMUL_DESC_BIAS_POINTER, row);
    if (beside == nullptr) return;
    set(what, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, beside);
    set(what, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, std::int64_t{key.leading[2]});
  }
  template <class T>
  static cublasComputeType_t sums(product_precision precision) {
    if (std::same_as<T, double>) return CUBLAS_COMPUTE_64F;
    switch (precision) {
      case product_precision::tf32: return CUBLAS_COMPUTE_32F_FAST_TF32;
      case product_precision::bf16: return CUBLAS_COMPUTE_32F_FAST_16BF;
      case product_precision::full: break;
    }
    return CUBLAS_COMPUTE_32F;
  }

  template <class T>
  const product& choice(const product_key& key, const product_end<T>& end, index most_workspace) {
    constexpr std::size_t most_choices = 4096;  // batches of tokens come in many sizes
    const auto found = chosen_.find(key);
    if (found != chosen_.end()) return found->second;
    if (chosen_.size() == most_choices) chosen_.clear();
    return chosen_.emplace(key, chosen(key, end, most_workspace)).first->second;
  }
  template <class T>
  [[nodiscard]] product chosen(const product_key& key, const product_end<T>& end, index most_workspace) const {
    product p;
    cublasLtMatmulDesc_t what = nullptr;
    const cudaDataType scale = key.numbers;
    detail::throw_on_failure(cublasLtMatmulDescCreate(&what, key.sums, scale), "cublasLtMatmulDescCreate");
    p.what.reset(what);
    const auto operation = [](bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
    set(what, CUBLASLT_MATMUL_DESC_TRANSA, operation(key.transposed[0]));
    set(what, CUBLASLT_MATMUL_DESC_TRANSB, operation(key.transposed[1]));
    set(what, CUBLASLT_MATMUL_DESC_EPILOGUE, key.end);
    point(what, key, end);  // whose alignment the library looks at
    p.left = layout(key, key.rows, key.inner, key.transposed[0], key.leading[0]);
    p.right = layout(key, key.inner, key.columns, key.transposed[1], key.leading[1]);
    p.out = layout(key, key.rows, key.columns, false, key.leading[2]);
    find_way(key, p, most_workspace);
    return p;
  }
  static auto layout(const product_key& key, index rows, index columns, bool transposed, index leading)
      -> detail::cuda_handle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy> {
    cublasLtMatrixLayout_t made = nullptr;
    const auto down = static_cast<std::uint64_t>(transposed ? columns : rows),
               across = static_cast<std::uint64_t>(transposed ? rows : columns);
    detail::throw_on_failure(cublasLtMatrixLayoutCreate(&made, key.numbers, down, across, leading),
                             "cublasLtMatrixLayoutCreate");
    return detail::cuda_handle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>(made);
  }
  void find_way(const product_key& key, product& p, index most_workspace) const {
    cublasLtMatmulPreference_t made = nullptr;
    detail::throw_on_failure(cublasLtMatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate");
    const detail::cuda_handle<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy> wishes(made);
    const auto wish = [&](cublasLtMatmulPreferenceAttributes_t which, auto value) {
      detail::throw_on_failure(cublasLtMatmulPreferenceSetAttribute(made, which, &value, sizeof(value)),
                               "cublasLtMatmulPreferenceSetAttribute");
    };
    wish(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::uint64_t>(most_workspace));
    wish(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,  // not INPLACE, whose order of summing varies
         static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE | CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE));
    wish(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, std::uint32_t{key.aligned[0]});
    wish(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, std::uint32_t{key.aligned[1]});
    wish(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, std::uint32_t{key.aligned[2]});
    wish(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, std::uint32_t{key.aligned[2]});
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
        library_.get(), p.what.get(), p.left.get(), p.right.get(), p.out.get(), p.out.get(), made, 1, &best, &found);
    const bool plain = key.end == CUBLASLT_EPILOGUE_DEFAULT || key.end == CUBLASLT_EPILOGUE_BIAS;
    if (plain && status != CUBLAS_STATUS_NOT_SUPPORTED)
      detail::throw_on_failure(status, "cublasLtMatmulAlgoGetHeuristic");
    p.possible = status == CUBLAS_STATUS_SUCCESS && found > 0;
    p.how = best.algo;
    p.workspace = static_cast<index>(best.workspaceSize);
  }
  template <class Value>
  static void set(cublasLtMatmulDesc_t what, cublasLtMatmulDescAttributes_t which, Value value) {
    detail::throw_on_failure(cublasLtMatmulDescSetAttribute(what, which, &value, sizeof(value)),
                             "cublasLtMatmulDescSetAttribute");
  }

  detail::cuda_handle<cublasLtHandle_t, cublasLtDestroy> library_;
  std::map<product_key, product> chosen_;
  buffer<std::byte, cuda> workspace_;
};

}  // namespace limbeck
