// Where models are trained: here, or on the device that this build of the program knows.
#pragma once

#include <memory>
#include <string>

#if defined(LIMBECK_PROGRAM_CUDA_MODULE)
#include <dlfcn.h>
#endif

#include <limbeck/training/training_device.hpp>

#include "provider.hpp"

namespace program {

#if defined(LIMBECK_PROGRAM_CUDA_MODULE)
inline constexpr const char* backends = "cpu, cuda";

/// CUDA's libraries take 200 MiB and a tenth of a second to load: only who asks for a device waits for the module with
/// them.
inline std::unique_ptr<limbeck::training_device> load_cuda_device(const limbeck::cuda_options& options) {
  void* const module = dlopen(LIMBECK_PROGRAM_CUDA_MODULE, RTLD_NOW);  // for good: the device's code is there
  void* const found = module == nullptr ? nullptr : dlsym(module, "limbeck_program_cuda_device");
  if (found == nullptr) throw limbeck::backend_error(std::string("--backend cuda: ") + dlerror());
  using maker = limbeck::training_device*(const limbeck::cuda_options&);
  return std::unique_ptr<limbeck::training_device>(reinterpret_cast<maker*>(found)(options));
}
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
#if defined(LIMBECK_PROGRAM_CUDA_MODULE)
  using enum limbeck::product_precision;
  static const auto device = load_cuda_device({.products = precision == "bf16"   ? bf16
                                                           : precision == "tf32" ? tf32
                                                                                 : full});
  return device.get();
#else
  throw limbeck::contract_error("--backend cuda: this program was built without CUDA's toolkit");
#endif
}
}  // namespace program
