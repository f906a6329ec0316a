// The names, shapes and places of a model's parameters in one flat buffer.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// What a fresh parameter holds: normal numbers (weights), 0 (biases) or 1 (gains of norms).
enum class initial { normal, zero, one };

/// A parameter tensor: rank 1 ([rows]; columns 0) or rank 2 ([rows, columns], row-major).
struct parameter {
  std::string name;
  index offset = 0, rows = 0, columns = 0;
  initial fresh = initial::normal;

  [[nodiscard]] index count() const { return rows * (columns > 0 ? columns : 1); }
  /// Weight decay applies: to weights, not to biases and norms.
  [[nodiscard]] bool decays() const { return fresh == initial::normal; }
};

/// Where a block finds one parameter: the same in a buffer of weights, of gradients or of moments.
struct slot {
  index offset = 0, rows = 0, columns = 0;

  friend bool operator==(const slot&, const slot&) = default;
  template <class T, backend B>
  [[nodiscard]] view<T, 2, B> matrix(view<T, 1, B> flat) const {
    return view<T, 2, B>(flat.data() + offset, rows, columns);
  }
  template <class T, backend B>
  [[nodiscard]] view<T, 1, B> vector(view<T, 1, B> flat) const {
    return view<T, 1, B>(flat.data() + offset, rows);
  }
};

/// Parameters in the order in which they were declared, one behind the other. Weights, gradients and optimiser state
/// are buffers of size() elements laid out by one table.
class parameter_table {
 public:
  /// Declares a tensor; columns 0 for a vector. Throws contract_error for a name that is taken.
  slot declare(std::string name, index rows, index columns = 0, initial fresh = initial::normal) {
    expects(!by_name_.contains(name), [&] { return message("parameter_table: ", name, " is declared twice"); });
    const slot at{size_, rows, columns};
    by_name_.emplace(name, entries_.size());
    entries_.push_back({std::move(name), at.offset, rows, columns, fresh});
    size_ += entries_.back().count();
    return at;
  }

  [[nodiscard]] const std::vector<parameter>& entries() const { return entries_; }
  /// Elements of a buffer that holds every parameter.
  [[nodiscard]] index size() const { return size_; }
  /// Null where there is no such name.
  [[nodiscard]] const parameter* find(const std::string& name) const {
    const auto at = by_name_.find(name);
    return at == by_name_.end() ? nullptr : &entries_[at->second];
  }

 private:
  std::vector<parameter> entries_;
  std::unordered_map<std::string, std::size_t> by_name_;
  index size_ = 0;
};

}  // namespace limbeck
