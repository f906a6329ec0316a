// The matrix product of this build of the program: the best one that was found.
#pragma once

#if defined(LIMBECK_PROGRAM_HAS_ONEDNN)
#include <limbeck/backend/onednn_bf16.hpp>
#elif defined(LIMBECK_PROGRAM_HAS_BLAS)
#include <limbeck/backend/blas.hpp>
#endif
#include <limbeck/backend/eigen.hpp>
#include <limbeck/core/error.hpp>
#include <limbeck/core/executors.hpp>

#include <cstdio>
#include <string>

namespace program {

#if defined(LIMBECK_PROGRAM_HAS_ONEDNN)
using float32_provider = limbeck::onednn_provider;
inline constexpr const char* provider_name = "oneDNN (float32, bf16)";
#elif defined(LIMBECK_PROGRAM_HAS_BLAS)
using float32_provider = limbeck::blas_provider;
inline constexpr const char* provider_name = "BLAS (float32)";
#else
using float32_provider = limbeck::eigen_provider;
inline constexpr const char* provider_name = "Eigen (float32)";
#endif

/// Multiplies in what --precision says, which is known before any work begins: one instance of every model serves both.
struct provider {
  inline static bool bf16 = false;

  template <class T>
  static void multiply(T alpha, limbeck::view<const T, 2> a, limbeck::view<const T, 2> b, T beta,
                       limbeck::view<T, 2> c) {
#if defined(LIMBECK_PROGRAM_HAS_ONEDNN)
    if (bf16) return limbeck::onednn_bf16_provider::multiply(alpha, a, b, beta, c);
#endif
    float32_provider::multiply(alpha, a, b, beta, c);
  }
};
using executor = limbeck::cpu_executor<provider>;

/// Throws contract_error where `precision` is bf16 and nothing would be gained by it, or is a device's.
inline void use_precision(const std::string& precision) {
  limbeck::expects(precision != "tf32", "--precision tf32: no processor has it; it is for --backend cuda");
  if (precision != "bf16") return;
#if defined(LIMBECK_PROGRAM_HAS_ONEDNN)
  const double times = limbeck::bf16_speedup();
  limbeck::expects(times > 0, "--precision bf16: this processor has no instructions for it");
  limbeck::expects(times > 1, [&] {
    char text[16];
    std::snprintf(text, sizeof text, "%.2f", times);
    return limbeck::message("--precision bf16: its products run at ", text,
                            " times the speed of float32 on this processor; train with --precision float32");
  });
  provider::bf16 = true;
#else
  throw limbeck::contract_error("--precision bf16: this program was built without oneDNN");
#endif
}

}  // namespace program
