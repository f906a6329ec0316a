// Copies from one view to another. backend/copy_cuda.hpp adds those from and to a device.
#pragma once

#include <algorithm>
#include <concepts>

#include "limbeck/core/view.hpp"

namespace limbeck {
namespace detail {

/// Both without gaps and of the same shape; throws contract_error otherwise.
template <class T, class U, std::size_t Rank, backend From, backend To>
void expects_copyable(const view<T, Rank, From>& from, const view<U, Rank, To>& to) {
  bool same = true;
  for (std::size_t r = 0; r < Rank; ++r) same = same && from.extent(r) == to.extent(r);
  expects(same, [&] { return message("copy: from ", shape_text(from), " to ", shape_text(to)); });
  expects(from.contiguous() && to.contiguous(), "copy: a view has gaps between its elements");
}

}  // namespace detail

/// to = from. Both row-major without gaps; they may not overlap. Throws contract_error where shapes differ.
template <executor E, class T, std::same_as<std::remove_const_t<T>> U, std::size_t Rank>
  requires std::same_as<backend_of<E>, cpu>
void copy(const E&, const view<T, Rank, cpu>& from, const view<U, Rank, cpu>& to) {
  detail::expects_copyable(from, to);
  std::copy_n(from.data(), from.count(), to.data());
}

}  // namespace limbeck
