// Memory on a device, filled and looked at: what the tests of CUDA kernels share, those with a device and those
// without.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "limbeck/backend/copy_cuda.hpp"
#include "limbeck/backend/cuda_buffer.hpp"
#include "limbeck/backend/cuda_context.hpp"
#include "limbeck/backend/cuda_executor.hpp"
#include "limbeck/backend/cuda_stream.hpp"

namespace limbeck_test {

using limbeck::index;

/// How the device's copies of matrices lie: `column_step` elements from class to class and `row_gap`
/// more behind each row. What lies between holds NaN, and is looked at afterwards.
struct device_layout {
  index column_step = 1, row_gap = 0;
};

template <class T>
class device_copy {
 public:
  device_copy(const limbeck::cuda_executor& on, const std::vector<T>& from)
      : memory_(on, static_cast<index>(from.size())) {
    copy(on, limbeck::view<const T, 1>(from.data(), from.size()), memory_.all());
    wait(on);  // `from` may be a temporary
  }
  [[nodiscard]] limbeck::view<T, 1, limbeck::cuda> all() { return memory_.all(); }
  [[nodiscard]] std::vector<T> back(const limbeck::cuda_executor& on) {
    std::vector<T> to(static_cast<std::size_t>(memory_.count()));
    copy(on, memory_.all(), limbeck::view<T, 1>(to.data(), to.size()));
    wait(on);
    return to;
  }

 private:
  limbeck::buffer<T, limbeck::cuda> memory_;
};

/// As host_place.
class device_place {
 public:
  using backend = limbeck::cuda;
  limbeck::cuda_stream stream;
  limbeck::cuda_context context;
  limbeck::cuda_executor executor{.stream = stream.get(), .context = &context};

  template <class T>
  [[nodiscard]] const T* bring(const std::vector<T>& numbers) {
    return keep(numbers)->all().data();
  }
  template <class T>
  [[nodiscard]] T* bring(std::vector<T>& numbers) {
    const auto kept = keep(numbers);
    returns_.push_back([this, kept, &numbers] { numbers = kept->back(executor); });
    return kept->all().data();
  }
  void bring_back() {
    for (const auto& come_back : returns_) come_back();
  }

 private:
  template <class T>
  std::shared_ptr<device_copy<T>> keep(const std::vector<T>& numbers) {
    const auto kept = std::make_shared<device_copy<T>>(executor, numbers);
    kept_.push_back(kept);
    return kept;
  }
  std::vector<std::shared_ptr<void>> kept_;
  std::vector<std::function<void()>> returns_;
};

/// A matrix on the device in a layout of its own.
template <class T>
class device_matrix {
 public:
  device_matrix(const limbeck::cuda_executor& on, const std::vector<T>& from, index rows, index columns,
                device_layout as)
      : rows_(rows), columns_(columns), as_(as), memory_(on, spread(from)) {}
  [[nodiscard]] limbeck::view<T, 2, limbeck::cuda> all() {
    return {memory_.all().data(), {{rows_, columns_}}, {{row_step(), as_.column_step}}};
  }
  /// Nothing if some element between was written to.
  [[nodiscard]] std::optional<std::vector<T>> back(const limbeck::cuda_executor& on) {
    std::vector<T> all = memory_.back(on), to;
    for (index r = 0; r < rows_; ++r)
      for (index c = 0; c < columns_; ++c) {
        to.push_back(all[at(r, c)]);
        all[at(r, c)] = between();
      }
    for (const T& x : all)
      if (static_cast<double>(x) == static_cast<double>(x)) return {};
    return to;
  }

 private:
  static T between() { return static_cast<T>(std::numeric_limits<float>::quiet_NaN()); }
  [[nodiscard]] index row_step() const { return columns_ * as_.column_step + as_.row_gap; }
  [[nodiscard]] std::size_t at(index r, index c) const {
    return static_cast<std::size_t>(r * row_step() + c * as_.column_step);
  }
  [[nodiscard]] std::vector<T> spread(const std::vector<T>& from) const {
    std::vector<T> to(static_cast<std::size_t>(rows_ * row_step()), between());
    for (index r = 0; r < rows_; ++r)
      for (index c = 0; c < columns_; ++c) to[at(r, c)] = from[static_cast<std::size_t>(r * columns_ + c)];
    return to;
  }

  index rows_, columns_;
  device_layout as_;
  device_copy<T> memory_;
};

}  // namespace limbeck_test
