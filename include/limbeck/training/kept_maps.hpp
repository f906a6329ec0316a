// Attention maps of a teacher whose queries and keys were kept, made again where they are compared.
#pragma once

#include <algorithm>
#include <cstddef>

#include "limbeck/backend/arena.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/per_layer.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/models/attention_maps.hpp"
#include "limbeck/ops/attention.hpp"
#include "limbeck/training/kept_teacher.hpp"

namespace limbeck {

/// The scores and probabilities of a batch, those of a teacher whose tokens all look at one another.
template <class T, backend B>
class kept_maps {
 public:
  static constexpr signal_set made_of = signal::queries | signal::keys;

  /// Those among `wanted` that can be made of what a teacher keeps.
  [[nodiscard]] static signal_set that_come_of(const kept_teacher<T>& kept, signal_set wanted) {
    constexpr signal_set maps = signal::scores | signal::probabilities;
    const signal_set held = kept.holds();
    return kept.heads() > 0 && (held & made_of) == made_of ? (wanted & maps) - held : signal::none;
  }

  /// Where the maps of these samples will lie; nothing is touched yet.
  void lay_out(view<const sample_rows, 1> rows, index heads) {
    on_host_.reset();
    places_ = detail::places_of_maps(rows, heads, on_host_);
    there_ = {{}, places_.elements};
    shape_ = {.heads = heads};
    for (index i = 0; i < rows.extent(0); ++i) shape_.longest = std::max(shape_.longest, rows(i).length);
  }
  /// Calls one(from, to) for what has to be where E works, as array_mover wants it.
  template <class F>
  void bring(const F& one) {
    one(places_.at, there_.at);
  }
  /// Adds the wanted maps of every layer whose queries and keys are there, in `memory`.
  template <launchable E>
  void make(const E& on, signal_set wanted, signals<const T, B>& seen, basic_arena<B>& memory) const {
    const std::size_t layers = std::min(seen.queries.size(), seen.keys.size());
    using per_layer_maps = per_layer<square_blocks<const T, B>>;
    if (has(wanted, signal::scores)) seen.scores = per_layer_maps(layers);
    if (has(wanted, signal::probabilities)) seen.probabilities = per_layer_maps(layers);
    const auto room = [&](signal_set which) {
      return has(wanted, which) ? detail::maps_at<T>(there_, shape_.heads, false, memory) : square_blocks<T, B>{};
    };
    for (std::size_t l = 0; l < layers; ++l) {
      if (seen.queries[l].empty() || seen.keys[l].empty()) continue;
      const square_blocks<T, B> scores = room(signal::scores), probabilities = room(signal::probabilities);
      ops::attention(on, shape_, seen.rows, seen.queries[l], seen.keys[l], view<const T, 2, B>{}, view<T, 2, B>{},
                     view<T, 2, B>{}, scores, probabilities);
      if (!scores.empty()) seen.scores[l] = scores;
      if (!probabilities.empty()) seen.probabilities[l] = probabilities;
    }
  }

 private:
  arena on_host_;
  detail::map_places<cpu> places_;
  detail::map_places<B> there_;
  ops::attention_shape shape_;
};

}  // namespace limbeck
