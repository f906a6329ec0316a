// The matrix products of cuBLASLt on the processor: what backend/cublas_lt.hpp calls of the library, by plain loops, in
// double. It holds to the library's own conventions (matrices by columns, a leading dimension each, a factor turned
// where the description says so, a bias for each row of the result, GELU and its slope) and refuses what the library
// refuses, so that it shows whether descriptions are right; of the library's choices and speed it shows nothing.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cuda_shim.hpp"

enum cublasStatus_t {
  CUBLAS_STATUS_SUCCESS = 0,
  CUBLAS_STATUS_INVALID_VALUE = 7,
  CUBLAS_STATUS_EXECUTION_FAILED = 13,
  CUBLAS_STATUS_NOT_SUPPORTED = 15
};
enum cublasComputeType_t {
  CUBLAS_COMPUTE_32F = 68,
  CUBLAS_COMPUTE_64F = 70,
  CUBLAS_COMPUTE_32F_FAST_16BF = 75,
  CUBLAS_COMPUTE_32F_FAST_TF32 = 77
};
enum cudaDataType { CUDA_R_32F = 0, CUDA_R_64F = 1 };
enum cublasOperation_t { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1 };
enum cublasLtEpilogue_t {
  CUBLASLT_EPILOGUE_DEFAULT = 1,
  CUBLASLT_EPILOGUE_BIAS = 4,
  CUBLASLT_EPILOGUE_GELU = 32,
  CUBLASLT_EPILOGUE_GELU_BIAS = 36,
  CUBLASLT_EPILOGUE_GELU_AUX = 160,
  CUBLASLT_EPILOGUE_GELU_AUX_BIAS = 164,
  CUBLASLT_EPILOGUE_DGELU = 192,
  CUBLASLT_EPILOGUE_DGELU_BGRAD = 208
};
enum cublasLtReductionScheme_t {
  CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE = 2,
  CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE = 4
};
enum cublasLtMatmulDescAttributes_t {
  CUBLASLT_MATMUL_DESC_TRANSA = 3,
  CUBLASLT_MATMUL_DESC_TRANSB = 4,
  CUBLASLT_MATMUL_DESC_EPILOGUE = 7,
  CUBLASLT_MATMUL_DESC_BIAS_POINTER = 8,
  CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER = 11,
  CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD = 12
};
enum cublasLtMatmulPreferenceAttributes_t {
  CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1,
  CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK = 3,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES = 6,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES = 7,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES = 8
};

namespace limbeck_cuda_shim {

struct library {};
struct product_description {
  cublasComputeType_t sums;
  cudaDataType scale;
  cublasOperation_t left = CUBLAS_OP_N, right = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void *bias = nullptr, *beside = nullptr;
  std::int64_t leading_beside = 0;

  /// What the epilogue's number says of it.
  [[nodiscard]] bool adds_bias() const { return (epilogue & 4) != 0; }
  [[nodiscard]] bool sums_rows() const { return (epilogue & 16) != 0; }
  [[nodiscard]] bool applies_gelu() const { return (epilogue & 32) != 0; }
  [[nodiscard]] bool applies_slope() const { return (epilogue & 64) != 0; }
  [[nodiscard]] bool looks_beside() const { return (epilogue & 128) != 0; }
};
struct matrix_layout {
  cudaDataType numbers;
  std::uint64_t rows, columns;
  std::int64_t leading;
};
struct preference {
  std::uint64_t workspace = 0;
};

/// The workspace that every product asks for.
inline constexpr std::size_t product_workspace = 1024;
/// Counted, so that tests can say what is chosen anew.
inline long heuristics = 0;
/// Whether there is a product that applies GELU, or its slope.
inline bool has_gelu = true;
inline long products_with_gelu = 0;

/// Element (row, column) of a matrix, as the description says it is to be read.
template <class T>
double element(const void* data, const matrix_layout& m, cublasOperation_t as, std::uint64_t row,
               std::uint64_t column) {
  const auto down = as == CUBLAS_OP_N ? row : column, across = as == CUBLAS_OP_N ? column : row;
  return static_cast<double>(static_cast<const T*>(data)[down + across * static_cast<std::uint64_t>(m.leading)]);
}

/// By the tanh approximation, and its slope.
inline double gelu_by_tanh(double x) {
  return x / 2 * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}
inline double slope_of_gelu(double x) {
  const double root = std::sqrt(2 / 3.14159265358979323846), t = std::tanh(root * (x + 0.044715 * x * x * x));
  return (1 + t) / 2 + x / 2 * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x);
}

template <class T>
void multiply(const product_description& p, double alpha, const void* a, const matrix_layout& left, const void* b,
              const matrix_layout& right, double beta, const void* c, void* d, const matrix_layout& out) {
  const std::uint64_t inner = p.left == CUBLAS_OP_N ? left.columns : left.rows;
  for (std::uint64_t row = 0; row < out.rows; ++row) {
    double sum_of_row = 0;
    for (std::uint64_t column = 0; column < out.columns; ++column) {
      double sum = 0;
      for (std::uint64_t i = 0; i < inner; ++i)
        sum += element<T>(a, left, p.left, row, i) * element<T>(b, right, p.right, i, column);
      sum *= alpha;
      if (beta != 0) sum += beta * element<T>(c, out, CUBLAS_OP_N, row, column);
      if (p.adds_bias()) sum += static_cast<double>(static_cast<const T*>(p.bias)[row]);
      T* const beside = p.looks_beside()
                            ? static_cast<T*>(p.beside) + row + column * static_cast<std::uint64_t>(p.leading_beside)
                            : nullptr;
      if (p.applies_slope()) sum *= slope_of_gelu(static_cast<double>(*beside));
      if (p.applies_gelu() && beside != nullptr) *beside = static_cast<T>(sum);
      if (p.applies_gelu()) sum = gelu_by_tanh(sum);
      static_cast<T*>(d)[row + column * static_cast<std::uint64_t>(out.leading)] = static_cast<T>(sum);
      sum_of_row += sum;
    }
    if (p.sums_rows()) static_cast<T*>(p.bias)[row] = static_cast<T>(sum_of_row);
  }
}

/// Whether what the epilogue needs is there.
inline bool fits_epilogue(const product_description& p, const matrix_layout& out) {
  if ((p.adds_bias() || p.sums_rows()) && p.bias == nullptr) return false;
  return !p.looks_beside() ||
         (p.beside != nullptr && p.leading_beside % 8 == 0 && p.leading_beside >= static_cast<std::int64_t>(out.rows));
}

/// Whether the factors, turned as described, make the result, and lie in memory as a matrix can.
inline bool fits(const product_description& p, const matrix_layout& left, const matrix_layout& right,
                 const matrix_layout& out) {
  const auto rows = [](const matrix_layout& m, cublasOperation_t as) { return as == CUBLAS_OP_N ? m.rows : m.columns; };
  const auto columns = [](const matrix_layout& m, cublasOperation_t as) {
    return as == CUBLAS_OP_N ? m.columns : m.rows;
  };
  for (const matrix_layout* m : {&left, &right, &out})
    if (m->rows == 0 || m->columns == 0 || m->leading < static_cast<std::int64_t>(m->rows) || m->numbers != p.scale)
      return false;
  return rows(left, p.left) == out.rows && columns(right, p.right) == out.columns &&
         columns(left, p.left) == rows(right, p.right) && (p.sums == CUBLAS_COMPUTE_64F) == (p.scale == CUDA_R_64F);
}

template <class T>
cublasStatus_t destroy(T* p) {
  delete p;
  return CUBLAS_STATUS_SUCCESS;
}
/// Takes an attribute of just its size.
template <class T>
cublasStatus_t take(T& into, const void* from, std::size_t bytes) {
  if (bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&into, from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

/// The number at `at`, of the product's own type. Apart from its callers, lest g++ see a float read as a double where
/// the type says otherwise.
[[gnu::noinline]] inline double number(const product_description& p, const void* at) {
  return p.scale == CUDA_R_32F ? static_cast<double>(*static_cast<const float*>(at)) : *static_cast<const double*>(at);
}

}  // namespace limbeck_cuda_shim

using cublasLtHandle_t = limbeck_cuda_shim::library*;
using cublasLtMatmulDesc_t = limbeck_cuda_shim::product_description*;
using cublasLtMatrixLayout_t = limbeck_cuda_shim::matrix_layout*;
using cublasLtMatmulPreference_t = limbeck_cuda_shim::preference*;
struct cublasLtMatmulAlgo_t {
  bool chosen = false;
};
struct cublasLtMatmulHeuristicResult_t {
  cublasLtMatmulAlgo_t algo;
  std::size_t workspaceSize = 0;
};

inline const char* cublasLtGetStatusName(cublasStatus_t s) {
  switch (s) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
  }
  return "unknown";
}
inline const char* cublasLtGetStatusString(cublasStatus_t s) {
  switch (s) {
    case CUBLAS_STATUS_SUCCESS: return "success";
    case CUBLAS_STATUS_INVALID_VALUE: return "an invalid value was given";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "the product failed to execute";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "the functionality is not supported";
  }
  return "unknown";
}

inline cublasStatus_t cublasLtCreate(cublasLtHandle_t* made) {
  *made = new limbeck_cuda_shim::library;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtDestroy(cublasLtHandle_t p) { return limbeck_cuda_shim::destroy(p); }
inline cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* made, cublasComputeType_t sums,
                                               cudaDataType scale) {
  *made = new limbeck_cuda_shim::product_description{.sums = sums, .scale = scale};
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t p) { return limbeck_cuda_shim::destroy(p); }
inline cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t p, cublasLtMatmulDescAttributes_t which,
                                                     const void* from, std::size_t bytes) {
  using limbeck_cuda_shim::take;
  switch (which) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return take(p->left, from, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB: return take(p->right, from, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return take(p->epilogue, from, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return take(p->bias, from, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER: return take(p->beside, from, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD: return take(p->leading_beside, from, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}
inline cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* made, cudaDataType numbers, std::uint64_t rows,
                                                 std::uint64_t columns, std::int64_t leading) {
  *made = new limbeck_cuda_shim::matrix_layout{numbers, rows, columns, leading};
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t p) { return limbeck_cuda_shim::destroy(p); }
inline cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* made) {
  *made = new limbeck_cuda_shim::preference;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) {
  return limbeck_cuda_shim::destroy(p);
}
inline cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p,
                                                           cublasLtMatmulPreferenceAttributes_t which, const void* from,
                                                           std::size_t bytes) {
  if (which == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return limbeck_cuda_shim::take(p->workspace, from, bytes);
  return bytes == 4 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}
inline cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t p,
                                                     cublasLtMatrixLayout_t left, cublasLtMatrixLayout_t right,
                                                     cublasLtMatrixLayout_t, cublasLtMatrixLayout_t out,
                                                     cublasLtMatmulPreference_t wishes, int,
                                                     cublasLtMatmulHeuristicResult_t* best, int* found) {
  using namespace limbeck_cuda_shim;
  ++heuristics;
  if (!fits(*p, *left, *right, *out) || !fits_epilogue(*p, *out)) return CUBLAS_STATUS_INVALID_VALUE;
  if (!has_gelu && (p->applies_gelu() || p->applies_slope())) return CUBLAS_STATUS_NOT_SUPPORTED;
  *found = wishes->workspace >= product_workspace ? 1 : 0;
  *best = {{true}, product_workspace};
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t p, const void* alpha, const void* a,
                                     cublasLtMatrixLayout_t left, const void* b, cublasLtMatrixLayout_t right,
                                     const void* beta, const void* c, cublasLtMatrixLayout_t, void* d,
                                     cublasLtMatrixLayout_t out, const cublasLtMatmulAlgo_t* how, void* workspace,
                                     std::size_t workspace_bytes, cudaStream_t stream) {
  using namespace limbeck_cuda_shim;
  if (!fits(*p, *left, *right, *out) || !how->chosen || workspace == nullptr || workspace_bytes < product_workspace ||
      !fits_epilogue(*p, *out))
    return CUBLAS_STATUS_INVALID_VALUE;
  products_with_gelu += p->applies_gelu() || p->applies_slope();
  const double scale = number(*p, alpha), keep = number(*p, beta);
  (void)queue(stream, [=, what = *p, x = *left, y = *right, z = *out] {
    if (what.scale == CUDA_R_32F)
      multiply<float>(what, scale, a, x, b, y, keep, c, d, z);
    else
      multiply<double>(what, scale, a, x, b, y, keep, c, d, z);
  });
  return CUBLAS_STATUS_SUCCESS;
}
