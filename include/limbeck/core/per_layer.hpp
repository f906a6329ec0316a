// One value for each layer of a model, held by value in a fixed-capacity array.
#pragma once

#include <array>
#include <cstddef>

#include "limbeck/core/error.hpp"

namespace limbeck {

/// The deepest model that signals can describe.
inline constexpr std::size_t max_layers = 64;

/// Layers count from zero; the embedding output is not a layer. Allocates nothing.
template <class T>
class per_layer {
 public:
  constexpr per_layer() = default;
  /// `layers` default-made values. Throws contract_error above max_layers.
  constexpr explicit per_layer(std::size_t layers) : count_(layers) {
    expects(layers <= max_layers, "per_layer: more layers than limbeck::max_layers");
  }

  [[nodiscard]] constexpr std::size_t size() const { return count_; }
  [[nodiscard]] constexpr bool empty() const { return count_ == 0; }
  [[nodiscard]] constexpr T& operator[](std::size_t layer) { return values_[layer]; }
  [[nodiscard]] constexpr const T& operator[](std::size_t layer) const { return values_[layer]; }
  [[nodiscard]] constexpr auto begin() const { return values_.begin(); }
  [[nodiscard]] constexpr auto end() const { return values_.begin() + static_cast<std::ptrdiff_t>(count_); }

 private:
  std::array<T, max_layers> values_{};
  std::size_t count_ = 0;
};

}  // namespace limbeck
