// Batches on a device.
#pragma once

#include "limbeck/backend/array_mover_cuda.hpp"
#include "limbeck/models/placed_batch.hpp"

namespace limbeck {

/// Sends all arrays of a batch in one copy that nobody waits for.
template <>
class batch_mover<cuda> {
 public:
  /// What make(arena&) makes on the host, in `memory`.
  template <bool Launches, class Make>
  placed_batch<cuda> operator()(const basic_cuda_executor<Launches>& on, basic_arena<cuda>& memory, const Make& make) {
    host_.reset();
    const placed_batch<cpu> from = make(host_);
    placed_batch<cuda> to;
    arrays_(on, memory, [&](const auto& one) { for_each_array(from, to, one); });
    to.layout.rows = to.tokens.rows;
    to.layout.tokens = from.layout.tokens;
    to.layout.longest = from.layout.longest;
    to.layout.gaps = from.layout.gaps;
    to.head.all = from.head.all;
    to.head.samples = from.head.samples;
    to.maps.elements = from.maps.elements;
    return to;
  }

 private:
  arena host_;
  array_mover<cuda> arrays_;
};

}  // namespace limbeck
