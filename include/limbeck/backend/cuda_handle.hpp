// What libraries of CUDA hand out and take back.
#pragma once

#include <memory>
#include <type_traits>

namespace limbeck::detail {

/// A failure to give back is heard by nobody.
template <auto Destroy>
struct destroyed_by {
  template <class T>
  void operator()(T* p) const {
    static_cast<void>(Destroy(p));
  }
};
template <class Handle, auto Destroy>
using cuda_handle = std::unique_ptr<std::remove_pointer_t<Handle>, destroyed_by<Destroy>>;

}  // namespace limbeck::detail
