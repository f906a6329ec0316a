// A number for each student layer and teacher layer: what it costs to pair them, or how alike they are.
#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/per_layer.hpp"
#include "limbeck/mappings/mapping_policy.hpp"

namespace limbeck {

/// [student layers, teacher layers], row-major.
class layer_table {
 public:
  layer_table() = default;
  /// Zeros. Throws contract_error unless both models have 1 to max_layers layers.
  explicit layer_table(depths d) : depths_(d), entries_(checked(d)) {}
  /// Throws contract_error where `entries` are not as many as pairs of layers, or one is not finite.
  layer_table(depths d, std::vector<double> entries) : depths_(d), entries_(std::move(entries)) {
    expects(entries_.size() == checked(d), [&] {
      return message("layer_table: ", entries_.size(), " numbers for ", d.student, " student layers and ", d.teacher,
                     " teacher layers");
    });
    expects_finite("layer_table");
  }

  [[nodiscard]] depths size() const { return depths_; }
  [[nodiscard]] double& operator()(std::size_t student, std::size_t teacher) {
    return entries_[student * depths_.teacher + teacher];
  }
  [[nodiscard]] double operator()(std::size_t student, std::size_t teacher) const {
    return entries_[student * depths_.teacher + teacher];
  }
  [[nodiscard]] const std::vector<double>& entries() const { return entries_; }

  /// Throws contract_error, naming the layers, where a number is infinite or none.
  void expects_finite(const char* what) const {
    for (std::size_t i = 0; i < entries_.size(); ++i)
      expects(std::isfinite(entries_[i]), [&] {
        return message(what, ": student layer ", i / depths_.teacher, " and teacher layer ", i % depths_.teacher,
                       " have ", entries_[i], ", expected a finite number");
      });
  }

 private:
  static std::size_t checked(depths d) {
    expects(d.student > 0 && d.teacher > 0 && d.student <= max_layers && d.teacher <= max_layers, [&] {
      return message("layer_table: needs 1 to ", max_layers, " layers on both sides, student ", d.student, ", teacher ",
                     d.teacher);
    });
    return d.student * d.teacher;
  }

  depths depths_{};
  std::vector<double> entries_;
};

}  // namespace limbeck
