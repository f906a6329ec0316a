// What a stream keeps from call to call: workspace, and what libraries need.
#pragma once

#include <memory>
#include <typeindex>
#include <unordered_map>

#include "limbeck/backend/cuda_buffer.hpp"
#include "limbeck/core/cuda_options.hpp"

namespace limbeck {

/// Belongs to one stream: calls on it share the workspace, one after another. Must outlive the executors that name it.
class cuda_context {
 public:
  explicit cuda_context(cuda_options options = {}) : options_(options) {}

  [[nodiscard]] const cuda_options& options() const { return options_; }

  /// What a library keeps (a handle, choices): made at the first use.
  template <class Library>
  [[nodiscard]] Library& library() {
    std::shared_ptr<void>& here = libraries_[typeid(Library)];
    if (here == nullptr) here = std::make_shared<Library>();
    return *static_cast<Library*>(here.get());
  }

  /// At least `count` elements, holding anything, until the next call. Grows to the largest count asked for, so a
  /// second call of the same size allocates nothing (a step that is captured as a graph has to run once before).
  template <class T, bool Launches>
  [[nodiscard]] T* workspace(const basic_cuda_executor<Launches>& on, index count) {
    const index bytes = count * static_cast<index>(sizeof(T));
    if (kept_.count() < bytes) {
      kept_ = {};  // given back first: the pool may make the larger one of it
      kept_ = buffer<std::byte, cuda>(on, bytes);
    }
    return reinterpret_cast<T*>(kept_.data());
  }

 private:
  cuda_options options_;
  buffer<std::byte, cuda> kept_;
  std::unordered_map<std::type_index, std::shared_ptr<void>> libraries_;
};

/// Workspace of one call: the context's, or for an executor without one a piece of the device's memory pool that goes
/// back when this object ends. Waits for nothing.
template <class T>
class cuda_workspace {
 public:
  template <bool Launches>
  cuda_workspace(const basic_cuda_executor<Launches>& on, index count) {
    if (count == 0) return;
    if (on.context != nullptr) {
      data_ = on.context->template workspace<T>(on, count);
    } else {
      own_ = buffer<T, cuda>(on, count);
      data_ = own_.data();
    }
  }
  [[nodiscard]] T* data() const { return data_; }

 private:
  buffer<T, cuda> own_;
  T* data_ = nullptr;
};

}  // namespace limbeck
