// Numbers of any place where the host can read and write them. backend/host_copy_cuda.hpp has those of a device.
#pragma once

#include "limbeck/core/executors.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// What a view shows, in memory of the host. Of the host's own memory it is that itself, and nothing is copied.
template <class T, backend B>
class host_copy;

template <class T>
class host_copy<T, cpu> {
 public:
  explicit host_copy(view<T, 1> of) : of_(of) {}

  /// Looks at the numbers as they are now. Waits for a device.
  template <executor E>
  [[nodiscard]] view<const T, 1> fetch(const E&) {
    return of_;
  }
  /// To be filled by the caller, for give_back().
  [[nodiscard]] view<T, 1> room() { return of_; }
  /// Puts what room() holds where the numbers came from.
  template <executor E>
  void give_back(const E&) {}

 private:
  view<T, 1> of_;
};

}  // namespace limbeck
