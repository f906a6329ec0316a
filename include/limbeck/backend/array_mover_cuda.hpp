// Arrays of the host on their way to a device.
#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>

#include "limbeck/backend/array_mover.hpp"
#include "limbeck/backend/cuda_arena.hpp"
#include "limbeck/backend/cuda_upload.hpp"

namespace limbeck {

/// In one copy that nobody waits for: the arrays may change as soon as the call returns.
template <>
class array_mover<cuda> {
 public:
  /// visit(one) calls one(from, to) for each view `from` of the host, and `to` then shows the same numbers in a piece
  /// of `memory`. It is called twice, and must name the same views both times.
  template <bool Launches, class Visit>
  void operator()(const basic_cuda_executor<Launches>& on, basic_arena<cuda>& memory, const Visit& visit) {
    index bytes = 0;
    visit([&](const auto& from, const auto&) { bytes += padded(from); });
    if (bytes == 0) return;
    std::byte *const room = upload_.room(bytes), *const there = memory.take<std::byte>(bytes);
    index at = 0;
    visit([&](const auto& from, auto& to) {
      if (from.empty()) return;
      using element = std::remove_const_t<std::remove_pointer_t<decltype(from.data())>>;
      lay_down(from, room + at);
      to = shown_as(from, reinterpret_cast<const element*>(there + at));
      at += padded(from);
    });
    upload_.send(on, there, bytes);
  }

 private:
  /// Bytes of an array and what fills up to the next.
  template <class Array>
  static index padded(const Array& array) {
    constexpr index alignment = 64;
    return (array.count() * static_cast<index>(sizeof(*array.data())) + alignment - 1) / alignment * alignment;
  }
  /// Without the gaps behind rows.
  template <class T>
  static void lay_down(const view<T, 1>& from, std::byte* to) {
    std::memcpy(to, from.data(), static_cast<std::size_t>(from.count()) * sizeof(T));
  }
  template <class T>
  static void lay_down(const view<T, 2>& from, std::byte* to) {
    const std::size_t row = static_cast<std::size_t>(from.extent(1)) * sizeof(T);
    for (index r = 0; r < from.extent(0); ++r) std::memcpy(to + static_cast<std::size_t>(r) * row, &from(r, 0), row);
  }
  template <class T, class U>
  static view<const U, 1, cuda> shown_as(const view<T, 1>& like, const U* data) {
    return view<const U, 1, cuda>(data, like.extent(0));
  }
  template <class T, class U>
  static view<const U, 2, cuda> shown_as(const view<T, 2>& like, const U* data) {
    return view<const U, 2, cuda>(data, like.extent(0), like.extent(1));
  }

  cuda_upload upload_;
};

}  // namespace limbeck
