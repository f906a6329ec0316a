// Arrays of the host on their way to where work is done. backend/array_mover_cuda.hpp brings them to a device.
#pragma once

#include "limbeck/backend/arena.hpp"
#include "limbeck/core/executors.hpp"

namespace limbeck {

/// Brings arrays of the host, and matrices whose columns lie side by side, to the memory that an executor works on, all
/// in one copy.
template <backend B>
class array_mover;

template <>
class array_mover<cpu> {
 public:
  /// visit(one) calls one(from, to) for each view `from` of the host and the view `to` that is to show the same: they
  /// are where they have to be.
  template <executor E, class Visit>
  void operator()(const E&, arena&, const Visit& visit) const {
    visit([](const auto& from, auto& to) { to = from; });
  }
};

}  // namespace limbeck
