// Where tasks are trained: here, or on the device that this build of the program knows.
#pragma once

#include <string>

#include <limbeck/training/training_device.hpp>

#include "provider.hpp"

namespace program {

#if defined(LIMBECK_PROGRAM_HAS_CUDA)
inline constexpr const char* backends = "cpu, cuda";
#else
inline constexpr const char* backends = "cpu";
#endif

/// The device that `--backend` names, with products of that precision; null: the processor. Throws contract_error where
/// this program or processor cannot, backend_error where there is no device.
inline const limbeck::training_device* device_of(const std::string& backend, const std::string& precision) {
  if (backend == "cpu") {
    use_precision(precision);
    return nullptr;
  }
#if defined(LIMBECK_PROGRAM_HAS_CUDA)
  using enum limbeck::product_precision;
  static const auto device = limbeck::make_cuda_device({.products = precision == "bf16"   ? bf16
                                                                    : precision == "tf32" ? tf32
                                                                                          : full});
  return device.get();
#else
  throw limbeck::contract_error("--backend cuda: this program was built without CUDA's toolkit");
#endif
}
/// For verbs that train on the processor alone.
inline void expects_processor(const std::string& verb, const std::string& backend) {
  limbeck::expects(backend == "cpu",
                   [&] { return verb + ": --backend " + backend + ": trains on the processor alone"; });
}

}  // namespace program
