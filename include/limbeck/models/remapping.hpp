// Students that start from their teacher's weights: which parameter from which.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/models/model_config.hpp"

namespace limbeck {

/// Shows visit(parameter of the student, name of the teacher's) for every parameter of `student`: those of its layer m
/// with layer layers[m] of the teacher (where that one shares, with what it shares), all others with their namesake.
/// Throws contract_error for a layer that the teacher does not have.
template <class Visit>
void for_each_counterpart(const parameter_table& student, const model_names& names, const transformer_sizes& teacher,
                          std::span<const index> layers, Visit&& visit) {
  std::unordered_map<std::string, std::string> of_layers;
  for (std::size_t m = 0; m < layers.size(); ++m) {
    expects(layers[m] >= 0 && layers[m] < teacher.layers, [&] {
      return message("student: layer ", m, " starts from layer ", layers[m], " of the teacher, which has ",
                     teacher.layers, " (they count from 0)");
    });
    const layer_source source = weights_of_layer(teacher, layers[m]);
    const auto to = all_names(names.layer(static_cast<index>(m)));
    const auto from = all_names(names.layer(source.layer), source.exchanged);
    for (std::size_t i = 0; i < to.size(); ++i) of_layers.emplace(to[i], from[i]);
  }
  for (const parameter& p : student.entries()) {
    const auto found = of_layers.find(p.name);
    visit(p, found == of_layers.end() ? p.name : found->second);
  }
}

}  // namespace limbeck
