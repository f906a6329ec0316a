// A strided window onto memory that somebody else owns.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>

#include "limbeck/core/config.hpp"
#include "limbeck/core/error.hpp"
#include "limbeck/core/executors.hpp"

namespace limbeck {

/// Signed, so that differences and loops downwards are safe.
using index = std::ptrdiff_t;

/// Extents and strides of a view in plain arrays: std::array needs extra nvcc flags on the device.
template <std::size_t Rank>
struct dimensions {
  index at[Rank];
};

/// A window of rank `Rank` onto elements of type T in the memory of `B`. Copying copies the window, never the
/// elements; host and device memory are different types. Strides count elements, not bytes.
template <class T, std::size_t Rank, backend B = cpu>
class view {
 public:
  using element = T;
  using place = B;
  static constexpr std::size_t rank = Rank;

  constexpr view() = default;  ///< empty: data null, every extent 0

  /// Row-major, without gaps.
  template <std::integral... I>
    requires(sizeof...(I) == Rank)
  LIMBECK_HD constexpr explicit view(T* data, I... extents) : data_(data), extent_{static_cast<index>(extents)...} {
    index step = 1;
    for (std::size_t r = Rank; r-- > 0; step *= extent_[r]) stride_[r] = step;
  }

  /// Any strides, negative ones too.
  LIMBECK_HD constexpr view(T* data, dimensions<Rank> extents, dimensions<Rank> strides) : data_(data) {
    for (std::size_t r = 0; r < Rank; ++r) {
      extent_[r] = extents.at[r];
      stride_[r] = strides.at[r];
    }
  }

  /// Adds const.
  template <class U>
    requires(std::same_as<const U, T> && !std::same_as<U, T>)
  LIMBECK_HD constexpr view(const view<U, Rank, B>& v) : data_(v.data_) {
    for (std::size_t r = 0; r < Rank; ++r) {
      extent_[r] = v.extent_[r];
      stride_[r] = v.stride_[r];
    }
  }

  [[nodiscard]] LIMBECK_HD constexpr bool empty() const { return data_ == nullptr; }
  [[nodiscard]] LIMBECK_HD constexpr T* data() const { return data_; }
  [[nodiscard]] LIMBECK_HD constexpr index extent(std::size_t r) const { return extent_[r]; }
  [[nodiscard]] LIMBECK_HD constexpr index stride(std::size_t r) const { return stride_[r]; }
  /// The number of elements seen.
  [[nodiscard]] LIMBECK_HD constexpr index count() const {
    index n = 1;
    for (std::size_t r = 0; r < Rank; ++r) n *= extent_[r];
    return data_ == nullptr ? 0 : n;
  }
  /// Row-major without gaps: one sweep over data() .. data() + count() sees everything.
  [[nodiscard]] LIMBECK_HD constexpr bool contiguous() const {
    index step = 1;
    for (std::size_t r = Rank; r-- > 0; step *= extent_[r])
      if (extent_[r] > 1 && stride_[r] != step) return false;
    return true;
  }

  template <std::integral... I>
    requires(sizeof...(I) == Rank)
  [[nodiscard]] LIMBECK_HD constexpr T& operator()(I... i) const {
    index at = 0;
    std::size_t r = 0;
    ((at += static_cast<index>(i) * stride_[r++]), ...);
    return data_[at];
  }

 private:
  template <class, std::size_t, backend>
  friend class view;
  T* data_ = nullptr;
  index extent_[Rank]{}, stride_[Rank]{};
};

/// The same elements with rows and columns exchanged; nothing is moved.
template <class T, backend B>
[[nodiscard]] LIMBECK_HD constexpr view<T, 2, B> transposed(const view<T, 2, B>& v) {
  return {v.data(), {{v.extent(1), v.extent(0)}}, {{v.stride(1), v.stride(0)}}};
}

/// Rows `first` .. `first + count` of a matrix.
template <class T, backend B>
[[nodiscard]] LIMBECK_HD constexpr view<T, 2, B> row_block(const view<T, 2, B>& v, index first, index count) {
  return {v.data() + first * v.stride(0), {{count, v.extent(1)}}, {{v.stride(0), v.stride(1)}}};
}

/// Columns `first` .. `first + count` of a matrix.
template <class T, backend B>
[[nodiscard]] LIMBECK_HD constexpr view<T, 2, B> column_block(const view<T, 2, B>& v, index first, index count) {
  return {v.data() + first * v.stride(1), {{v.extent(0), count}}, {{v.stride(0), v.stride(1)}}};
}

/// The same window, read only.
template <class T, std::size_t Rank, backend B>
[[nodiscard]] LIMBECK_HD constexpr view<const T, Rank, B> read_only(const view<T, Rank, B>& v) {
  return v;
}

/// The extents as text, for messages: `[8, 10]`.
template <class T, std::size_t Rank, backend B>
[[nodiscard]] std::string shape_text(const view<T, Rank, B>& v) {
  std::string text = "[";
  for (std::size_t r = 0; r < Rank; ++r) text += (r > 0 ? ", " : "") + std::to_string(v.extent(r));
  return text + "]";
}

/// Throws contract_error, with both shapes, unless two operands have the same: `add: [8, 10] and [8, 12] are not of one
/// shape`.
template <class T, class U, std::size_t Rank, backend B>
void expects_one_shape(const char* what, const view<T, Rank, B>& a, const view<U, Rank, B>& b) {
  bool same = true;
  for (std::size_t r = 0; r < Rank; ++r) same = same && a.extent(r) == b.extent(r);
  expects(same, [&] { return message(what, ": ", shape_text(a), " and ", shape_text(b), " are not of one shape"); });
}

/// Throws contract_error, with both shapes, unless student and teacher agree: `soft_target logits: student [8, 10],
/// teacher [8, 12]`.
template <class T, class U, std::size_t Rank, backend B>
void expects_same_shape(const char* loss, const char* what, const view<T, Rank, B>& student,
                        const view<U, Rank, B>& teacher) {
  bool same = true;
  for (std::size_t r = 0; r < Rank; ++r) same = same && student.extent(r) == teacher.extent(r);
  expects(same, [&] {
    return message(loss, " ", what, ": student ", shape_text(student), ", teacher ", shape_text(teacher));
  });
}

}  // namespace limbeck
