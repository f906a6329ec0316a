// Hands libFuzzer's bytes to the one target that is linked with it.
#include <cstddef>
#include <cstdint>

#include "fuzz/fuzz_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const limbeck_test::fuzz_target target = limbeck_test::fuzz_targets().begin()->second;
  target({reinterpret_cast<const char*>(data), size});
  return 0;
}
