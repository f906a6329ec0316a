// A stranger's program that asks for a device; where there is none, it is told so.
#include <cstdio>

#include <limbeck/core/error.hpp>
#include <limbeck/training/training_device.hpp>

int main() {
  try {
    std::printf("trains on %s\n", limbeck::make_cuda_device()->name().c_str());
  } catch (const limbeck::backend_error& e) {
    std::printf("no device: %s\n", e.what());
  }
}
