// What a loss makes of each pair of a student's and a teacher's layer.
#pragma once

#include <vector>

#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "limbeck/mappings/layer_table.hpp"

namespace limbeck {

/// For each student layer and teacher layer the value, summed over samples, of the loss that loss_of(map) makes of that
/// one pair: `[](const explicit_mapping& map) { return attention_mse{map}; }`. Samples' weights and counts are those of
/// `like`, whose values and gradients stay as they are; a projection should want no gradients here, nor does it get
/// any. As many calls of the loss as there are pairs; allocates. For optimal_transport(), say. Throws what the loss
/// throws.
template <class Provider, class LossOf, class S, class U, class A, class G>
[[nodiscard]] layer_table layer_costs(const cpu_executor<Provider>& on, depths layers, const LossOf& loss_of,
                                      const signals<const S>& student, const signals<const U>& teacher,
                                      const targets<A>& given, const sink<A, cpu, G>& like) {
  layer_table costs(layers);
  std::vector<A> values(static_cast<std::size_t>(student.rows.extent(0)));
  sink<A, cpu, G> out{view<A, 1>(values.data(), values.size()), {}, like.weight, 1, like.per, like.progress};
  for (std::size_t m = 0; m < layers.student; ++m)
    for (std::size_t n = 0; n < layers.teacher; ++n) {
      values.assign(values.size(), A(0));
      loss_of(explicit_mapping{.pairs = {{m, n}}, .partial = true})(on, student, teacher, given, out);
      for (const A value : values) costs(m, n) += static_cast<double>(value);
    }
  return costs;
}

}  // namespace limbeck
