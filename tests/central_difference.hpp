// What tests of gradients share: numbers that look random, matrices that own their memory, central differences.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/core/philox.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck_test {

/// A matrix [rows, columns] that owns its memory; without a seed it holds 0, with one numbers between -1 and 1.
template <class T = double>
class matrix {
 public:
  matrix(limbeck::index rows, limbeck::index columns) : memory_(rows * columns), rows_(rows), columns_(columns) {}
  matrix(limbeck::index rows, limbeck::index columns, std::uint64_t seed, double size = 1) : matrix(rows, columns) {
    const limbeck::random_stream random{seed, 0, 77};
    for (limbeck::index i = 0; i < rows * columns; ++i)
      memory_.data()[i] =
          static_cast<T>(size * (2 * limbeck::unit_interval(random.at(static_cast<std::uint32_t>(i)).word[0]) - 1));
  }
  matrix(const matrix& from) : memory_(copy_of(from.memory_)), rows_(from.rows_), columns_(from.columns_) {}
  matrix(matrix&&) = default;
  matrix& operator=(matrix&&) = default;
  /// The same numbers in another type.
  template <class U>
  explicit matrix(const matrix<U>& from) : matrix(from.rows(), from.columns()) {
    for (limbeck::index i = 0; i < count(); ++i) memory_.data()[i] = static_cast<T>(from.data()[i]);
  }

  [[nodiscard]] limbeck::index rows() const { return rows_; }
  [[nodiscard]] limbeck::index columns() const { return columns_; }
  [[nodiscard]] limbeck::index count() const { return memory_.count(); }
  [[nodiscard]] T* data() { return memory_.data(); }
  [[nodiscard]] const T* data() const { return memory_.data(); }
  /// [rows, columns]; a matrix without elements is no empty view.
  [[nodiscard]] limbeck::view<T, 2> all() { return limbeck::view<T, 2>(memory_.data(), rows_, columns_); }
  [[nodiscard]] limbeck::view<const T, 2> seen() const {
    return limbeck::view<const T, 2>(memory_.data(), rows_, columns_);
  }
  /// [rows * columns].
  [[nodiscard]] limbeck::view<T, 1> flat() { return memory_.all(); }
  [[nodiscard]] limbeck::view<const T, 1> seen_flat() const { return memory_.all(); }
  [[nodiscard]] T& operator()(limbeck::index r, limbeck::index c) { return memory_.data()[r * columns_ + c]; }
  [[nodiscard]] const T& operator()(limbeck::index r, limbeck::index c) const {
    return memory_.data()[r * columns_ + c];
  }
  void fill(T value) { memory_.fill(value); }

 private:
  limbeck::buffer<T> memory_;
  limbeck::index rows_, columns_;
};

/// The sum over all elements of the product of two views of one shape.
template <class T, class U>
[[nodiscard]] double inner_product(const limbeck::view<T, 2>& a, const limbeck::view<U, 2>& b) {
  double sum = 0;
  for (limbeck::index r = 0; r < a.extent(0); ++r)
    for (limbeck::index c = 0; c < a.extent(1); ++c) sum += static_cast<double>(a(r, c)) * static_cast<double>(b(r, c));
  return sum;
}

/// The larger of two errors; NaN where one is NaN.
[[nodiscard]] inline double worse(double a, double b) { return a >= b || a != a ? a : b; }

/// max |a - b|; NaN where one is NaN.
template <class T, class U>
[[nodiscard]] double largest_gap(const limbeck::view<T, 2>& a, const limbeck::view<U, 2>& b) {
  double worst = 0;
  for (limbeck::index r = 0; r < a.extent(0); ++r)
    for (limbeck::index c = 0; c < a.extent(1); ++c)
      worst = worse(worst, std::fabs(static_cast<double>(a(r, c)) - static_cast<double>(b(r, c))));
  return worst;
}

/// Whether two views of one shape hold the same bits.
template <class T, class U>
[[nodiscard]] bool same_bits(const limbeck::view<T, 2>& a, const limbeck::view<U, 2>& b) {
  if (a.extent(0) != b.extent(0) || a.extent(1) != b.extent(1)) return false;
  for (limbeck::index r = 0; r < a.extent(0); ++r)
    for (limbeck::index c = 0; c < a.extent(1); ++c)
      if (std::memcmp(&a(r, c), &b(r, c), sizeof(T)) != 0) return false;
  return true;
}

/// The derivative at 0 of a function of one number, by central differences of fourth order.
template <class Function>
[[nodiscard]] double slope_at_0(Function&& at, double h) {
  return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
}
/// |slope - gradient| / max(1, |gradient|).
[[nodiscard]] inline double slope_error(double slope, double gradient) {
  return std::fabs(slope - gradient) / std::max(1.0, std::fabs(gradient));
}
/// The largest error of a gradient over elements 0, step, 2 step ... of x. value() is computed anew with x changed;
/// good to about 1e-10 of the value.
template <class Value>
[[nodiscard]] double slope_error(limbeck::view<double, 1> x, limbeck::view<const double, 1> gradient, Value&& value,
                                 limbeck::index step = 1, double h = 1e-3) {
  double worst = 0;
  for (limbeck::index i = 0; i < x.extent(0); i += step) {
    const double before = x(i);
    const auto at = [&](double moved) {
      x(i) = before + moved;
      return static_cast<double>(value());
    };
    worst = worse(worst, slope_error(slope_at_0(at, h), gradient(i)));
    x(i) = before;
  }
  return worst;
}
template <class Value>
[[nodiscard]] double slope_error(matrix<double>& x, const matrix<double>& gradient, Value&& value,
                                 limbeck::index step = 1) {
  return slope_error(x.flat(), gradient.seen_flat(), value, step);
}

}  // namespace limbeck_test
