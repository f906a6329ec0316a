// The attention maps of pairs of layers that a loss compares.
#pragma once

#include <concepts>
#include <string>

#include "limbeck/core/signals.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/losses/representation.hpp"

namespace limbeck::detail {

/// The maps of a layer in both models; the gradient is empty where it is not wanted.
template <class S, class U, class G, backend B = cpu>
struct pair_of_maps {
  square_blocks<const S, B> student;
  square_blocks<const U, B> teacher;
  square_blocks<G, B> gradient;

  /// On the host; of a device's 0, which nobody asks for.
  [[nodiscard]] index gradient_bytes() const {
    index count = 0;
    if constexpr (std::same_as<B, cpu>)
      for (index i = 0; !gradient.empty() && i < gradient.at.extent(0); ++i)
        count += gradient.heads * gradient.at(i).side * gradient.at(i).side;
    return count * static_cast<index>(sizeof(G));
  }
  void check(const char* loss, head_match match) const {
    (void)heads_compared(loss, student.heads, teacher.heads, match);
    expects(gradient.empty() || gradient.heads == student.heads, [&] {
      return message(loss, ": ", student.heads, " heads of the student, ", gradient.heads, " of its gradient");
    });
    expects(student.causal || !teacher.causal,
            [&] { return message(loss, ": the teacher's maps are causal, the student's are not"); });
  }
};

[[nodiscard]] constexpr signal_set signal_of(attention_map which) {
  return which == attention_map::scores ? signal::scores : signal::probabilities;
}
template <class T, backend B>
[[nodiscard]] const per_layer<square_blocks<T, B>>& maps_of(const signals<T, B>& of, attention_map which) {
  return which == attention_map::scores ? of.scores : of.probabilities;
}

/// Calls compare(pair_of_maps, maps that are left to compare, pair) for every pair of layers that `map` shows, once
/// all are known to fit. Throws contract_error where samples, depths, heads or masks do not.
template <class Map, class S, class U, class A, backend B, class G, class Compare>
void for_each_map_pair(const char* loss, const Map& map, attention_map of, head_match match,
                       const signals<const S, B>& student, const signals<const U, B>& teacher, const sink<A, B, G>& out,
                       const Compare& compare) {
  const auto& mine = maps_of(student, of);
  const auto& shown = maps_of(teacher, of);
  const auto& gradient = maps_of(out.gradient, of);
  expects_same_samples(loss, student, teacher, out);
  const depths layers{mine.size(), shown.size()};
  const auto pair_of = [&](layer_pair p) {
    return pair_of_maps<S, U, G, B>{layer_of(loss, "student", mine, p.student),
                                    layer_of(loss, "teacher", shown, p.teacher),
                                    gradient.empty() ? square_blocks<G, B>{} : gradient[p.student]};
  };
  map(layers, [&](layer_pair p) { pair_of(p).check(loss, match); });
  map(layers, [&](layer_pair p) {
    const auto maps = pair_of(p);
    compare(maps, heads_compared(loss, maps.student.heads, maps.teacher.heads, match), p);
  });
}

}  // namespace limbeck::detail
