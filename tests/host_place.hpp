// Where the arrays of a test lie while a loss runs, and who runs it: here the host. device_place in device_memory.hpp
// is the same of a device.
#pragma once

#include <vector>

#include "limbeck/core/executors.hpp"

namespace limbeck_test {

struct host_place {
  using backend = limbeck::cpu;
  limbeck::cpu_executor<> executor{};

  /// Where the numbers lie now.
  template <class T>
  [[nodiscard]] const T* bring(const std::vector<T>& numbers) {
    return numbers.data();
  }
  /// The same for numbers that may change; bring_back() shows them.
  template <class T>
  [[nodiscard]] T* bring(std::vector<T>& numbers) {
    return numbers.data();
  }
  void bring_back() {}
};

}  // namespace limbeck_test
