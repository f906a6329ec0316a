// xtensor's containers and strided views as views.
#pragma once

#include <xtensor/xtensor.hpp>

#include <cstddef>
#include <string>
#include <type_traits>

#include "limbeck/core/view.hpp"

namespace limbeck {

/// A view of rank `Rank` of anything with data(), shape() and strides(). The view lives as long as the container does.
/// Throws contract_error where it has another rank.
template <std::size_t Rank, class Container>
[[nodiscard]] auto tensor_view(Container& c) {
  expects(c.dimension() == Rank, [&] { return message("tensor_view: rank ", c.dimension(), ", expected ", Rank); });
  using element = std::remove_pointer_t<decltype(c.data())>;
  dimensions<Rank> extents{}, strides{};
  for (std::size_t r = 0; r < Rank; ++r) {
    extents.at[r] = static_cast<index>(c.shape(r));
    strides.at[r] = static_cast<index>(c.strides()[r]);
  }
  return view<element, Rank>(c.data(), extents, strides);
}

}  // namespace limbeck
