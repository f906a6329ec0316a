// Batches on a device.
#pragma once

#include <cstring>

#include "limbeck/backend/cuda_arena.hpp"
#include "limbeck/backend/cuda_upload.hpp"
#include "limbeck/models/placed_batch.hpp"

namespace limbeck {

/// Sends all arrays of a batch in one copy that nobody waits for.
template <>
class batch_mover<cuda> {
 public:
  batch_mover() = default;
  template <bool Launches>
  explicit batch_mover(const basic_cuda_executor<Launches>&) {}

  /// What make(arena&) makes on the host, in `memory`.
  template <bool Launches, class Make>
  placed_batch<cuda> operator()(const basic_cuda_executor<Launches>& on, basic_arena<cuda>& memory, const Make& make) {
    host_.reset();
    const placed_batch<cpu> from = make(host_);
    placed_batch<cuda> to;
    index bytes = 0;
    for_each_array(from, to, [&](const auto& array, auto&) { bytes += padded(array); });
    if (bytes > 0) {
      std::byte *const room = upload_.room(bytes), *const there = memory.take<std::byte>(bytes);
      index at = 0;
      for_each_array(from, to, [&](const auto& array, auto& placed) {
        if (array.empty()) return;
        using element = std::remove_cvref_t<decltype(array(0))>;
        std::memcpy(room + at, array.data(), static_cast<std::size_t>(array.count()) * sizeof(element));
        placed = view<const element, 1, cuda>(reinterpret_cast<const element*>(there + at), array.count());
        at += padded(array);
      });
      upload_.send(on, there, bytes);
    }
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
  /// Bytes of an array and what fills up to the next.
  template <class Array>
  static index padded(const Array& array) {
    constexpr index alignment = 64;
    return (array.count() * static_cast<index>(sizeof(array(0))) + alignment - 1) / alignment * alignment;
  }

  arena host_;
  cuda_upload upload_;
};

}  // namespace limbeck
