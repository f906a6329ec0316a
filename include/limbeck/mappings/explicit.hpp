// A table of layer pairs that the caller writes down.
#pragma once

#include <algorithm>
#include <concepts>
#include <string>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/mappings/mapping_policy.hpp"

namespace limbeck {

/// The pairs as given, in that order. Throws contract_error if one is out of range, naming the layer and the depth, or
/// if a student layer is in no pair (`partial` allows that).
struct explicit_mapping {
  std::vector<layer_pair> pairs;
  bool partial = false;  ///< student layers without a teacher are meant

  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    check(d);
    for (const layer_pair& p : pairs) visit(p);
  }

 private:
  constexpr void check(depths d) const {
    for (const layer_pair& p : pairs) {
      expects_layer("student", p.student, d.student);
      expects_layer("teacher", p.teacher, d.teacher);
    }
    for (std::size_t m = 0; m < d.student && !partial; ++m)
      expects(std::ranges::count(pairs, m, &layer_pair::student) > 0, [&] {
        return message("explicit_mapping: student layer ", m, " of ", d.student, " has no teacher layer");
      });
  }
  static constexpr void expects_layer(const char* who, std::size_t layer, std::size_t depth) {
    expects(layer < depth, [&] {
      return message("explicit_mapping: ", who, " layer ", layer, " of ", depth, " layers (they count from 0)");
    });
  }
};

}  // namespace limbeck
