// xtensor's containers, adaptors and strided views as views.
#pragma once

#include <xtensor/xlayout.hpp>
#include <xtensor/xtensor.hpp>

#include <cstddef>
#include <string>
#include <type_traits>

#include "limbeck/core/view.hpp"

namespace limbeck {

/// An xtensor expression with memory and strides: a container, an adaptor, or a view of one. A lazy sum has none.
template <class Expression>
concept xtensor_memory = requires(Expression& e) {
  e.data();
  e.data_offset();
  e.strides();
};

/// A view of rank `Rank` with the strides of `e`; it lives as long as the memory does. What is column-major by its type
/// is refused: its rows do not lie side by side. Throws contract_error where `e` has another rank, or where its
/// elements may be written and a stride of 0 makes several of them one.
template <std::size_t Rank, xtensor_memory Expression>
[[nodiscard]] auto tensor_view(Expression& e) {
  static_assert(Rank < 2 || Expression::static_layout != xt::layout_type::column_major,
                "tensor_view: this tensor is column-major; declare it xt::layout_type::row_major, or give "
                "xt::transpose of it");
  expects(e.dimension() == Rank, [&] { return message("tensor_view: rank ", e.dimension(), ", expected ", Rank); });
  using element = std::remove_pointer_t<decltype(e.data())>;
  dimensions<Rank> extents{}, strides{};
  for (std::size_t r = 0; r < Rank; ++r) {
    extents.at[r] = static_cast<index>(e.shape()[r]);
    strides.at[r] = static_cast<index>(e.strides()[r]);
    expects(std::is_const_v<element> || strides.at[r] != 0 || extents.at[r] <= 1,
            [&] { return message("tensor_view: stride 0 along ", extents.at[r], " elements that may be written"); });
  }
  return view<element, Rank>(e.data() + e.data_offset(), extents, strides);
}

}  // namespace limbeck
