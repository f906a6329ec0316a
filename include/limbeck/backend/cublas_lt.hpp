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

/// Belongs to one cuda_context, and with it to one stream.
class cublas_lt {
 public:
  cublas_lt() {
    cublasLtHandle_t made = nullptr;
    detail::throw_on_failure(cublasLtCreate(&made), "cublasLtCreate");
    library_.reset(made);
  }

  /// c = alpha a b + beta c, + bias [columns] in each row where it is not null. In each matrix one of the two strides
  /// is 1; c's rows have no gaps; none is empty. Chosen once for sizes, strides and alignment, and never by a scheme
  /// whose sums have no order, so the bits are the same every time.
  template <bool Launches, class T>
    requires std::same_as<T, float> || std::same_as<T, double>
  void multiply(const basic_cuda_executor<Launches>& on, T alpha, view<const T, 2, cuda> a, view<const T, 2, cuda> b,
                T beta, view<T, 2, cuda> c, const T* bias = nullptr) {
    // The library's matrices are stored by columns: what it makes is c' = b' a'.
    const stored left = describe(b), right = describe(a), out = describe(view<const T, 2, cuda>(c));
    const product_key key{
        .rows = c.extent(1),
        .columns = c.extent(0),
        .inner = a.extent(1),
        .leading = {left.leading, right.leading, out.leading},
        .transposed = {left.transposed, right.transposed},
        .aligned = {alignment(b.data()), alignment(a.data()),
                    bias == nullptr ? alignment(c.data()) : std::min(alignment(c.data()), alignment(bias))},
        .numbers = std::same_as<T, float> ? CUDA_R_32F : CUDA_R_64F,
        .sums = sums<T>(on.context->options().products),
        .biased = bias != nullptr};
    const product& chosen = choice(key, on.context->options().product_workspace);
    if (bias != nullptr) set(chosen.what.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    if (workspace_.count() < chosen.workspace) {
      workspace_ = {};
      workspace_ = buffer<std::byte, cuda>(on, chosen.workspace);
    }
    detail::throw_on_failure(
        cublasLtMatmul(library_.get(), chosen.what.get(), &alpha, b.data(), chosen.left.get(), a.data(),
                       chosen.right.get(), &beta, c.data(), chosen.out.get(), c.data(), chosen.out.get(), &chosen.how,
                       workspace_.data(), static_cast<std::size_t>(chosen.workspace), on.stream),
        "cublasLtMatmul");
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
    bool biased;

    friend auto operator<=>(const product_key&, const product_key&) = default;
  };
  struct product {
    detail::cuda_handle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy> what;
    detail::cuda_handle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy> left, right, out;
    cublasLtMatmulAlgo_t how{};
    index workspace = 0;  // bytes
  };

  static constexpr unsigned widest_alignment = 256;
  static unsigned alignment(const void* p) {
    const auto at = reinterpret_cast<std::uintptr_t>(p) | widest_alignment;
    return static_cast<unsigned>(at & (~at + 1));
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

  const product& choice(const product_key& key, index most_workspace) {
    constexpr std::size_t most_choices = 4096;  // batches of tokens come in many sizes
    const auto found = chosen_.find(key);
    if (found != chosen_.end()) return found->second;
    if (chosen_.size() == most_choices) chosen_.clear();
    return chosen_.emplace(key, chosen(key, most_workspace)).first->second;
  }
  [[nodiscard]] product chosen(const product_key& key, index most_workspace) const {
    product p;
    cublasLtMatmulDesc_t what = nullptr;
    const cudaDataType scale = key.numbers;
    detail::throw_on_failure(cublasLtMatmulDescCreate(&what, key.sums, scale), "cublasLtMatmulDescCreate");
    p.what.reset(what);
    const auto operation = [](bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
    set(what, CUBLASLT_MATMUL_DESC_TRANSA, operation(key.transposed[0]));
    set(what, CUBLASLT_MATMUL_DESC_TRANSB, operation(key.transposed[1]));
    if (key.biased) set(what, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    p.left = layout(key, key.rows, key.inner, key.transposed[0], key.leading[0]);
    p.right = layout(key, key.inner, key.columns, key.transposed[1], key.leading[1]);
    p.out = layout(key, key.rows, key.columns, false, key.leading[2]);
    const cublasLtMatmulHeuristicResult_t best = best_way(key, p, most_workspace);
    p.how = best.algo;
    p.workspace = static_cast<index>(best.workspaceSize);
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
  [[nodiscard]] cublasLtMatmulHeuristicResult_t best_way(const product_key& key, const product& p,
                                                         index most_workspace) const {
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
    detail::throw_on_failure(cublasLtMatmulAlgoGetHeuristic(library_.get(), p.what.get(), p.left.get(), p.right.get(),
                                                            p.out.get(), p.out.get(), made, 1, &best, &found),
                             "cublasLtMatmulAlgoGetHeuristic");
    if (found == 0)
      throw backend_error(message("cublasLtMatmulAlgoGetHeuristic: no way to multiply [", key.columns, ", ", key.inner,
                                  "] by [", key.inner, ", ", key.rows, "] in ", most_workspace, " bytes of workspace"));
    return best;
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
