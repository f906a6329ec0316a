// Numbers of a device where the host can read and write them.
#pragma once

#include "limbeck/backend/buffer.hpp"
#include "limbeck/backend/copy_cuda.hpp"
#include "limbeck/backend/host_copy.hpp"

namespace limbeck {

/// A copy, made anew by every fetch().
template <class T>
class host_copy<T, cuda> {
 public:
  explicit host_copy(view<T, 1, cuda> of) : of_(of) {}

  /// Waits for all that was queued.
  template <bool Launches>
  [[nodiscard]] view<const T, 1> fetch(const basic_cuda_executor<Launches>& on) {
    copy(on, view<const T, 1, cuda>(of_), room());
    wait(on);
    return read_only(kept_.all());
  }
  [[nodiscard]] view<T, 1> room() {
    if (kept_.count() != of_.extent(0)) kept_ = buffer<T>(of_.extent(0));
    return kept_.all();
  }
  template <bool Launches>
  void give_back(const basic_cuda_executor<Launches>& on) {
    copy(on, read_only(room()), of_);
    wait(on);
  }

 private:
  view<T, 1, cuda> of_;
  buffer<T> kept_;
};

}  // namespace limbeck
