// A teacher that is read from a file, batch by batch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "limbeck/backend/arena.hpp"
#include "limbeck/core/executors.hpp"
#include "limbeck/core/per_layer.hpp"
#include "limbeck/core/signals.hpp"
#include "limbeck/core/view.hpp"
#include "limbeck/models/attention_maps.hpp"
#include "limbeck/ops/attention.hpp"
#include "limbeck/training/kept_batch.hpp"
#include "limbeck/training/kept_teacher.hpp"
#include "limbeck/training/teacher_store.hpp"

namespace limbeck {

/// A set's samples in a teacher_store, which the system is asked for one batch ahead. Of per-layer signals it has the
/// layers that the store has, and no others. Scores and probabilities of attention are made again from queries and
/// keys, where both are kept and the heads are known: those of a teacher whose tokens all look at one another.
class stored_teacher final : public kept_teacher<float> {
 public:
  /// `heads`: of the teacher's attention; 0: unknown. Throws file_error naming the first sample that the store does not
  /// have.
  stored_teacher(std::shared_ptr<const teacher_store> store, const sample_set& set, index heads = 0)
      : store_(std::move(store)), rows_(store_->rows_of(set)), heads_(heads) {}

  [[nodiscard]] const teacher_store& store() const { return *store_; }
  [[nodiscard]] signal_set holds() const override {
    const signal_set kept = store_->holds();
    return heads_ > 0 && has(kept, signal::queries) && has(kept, signal::keys) ? kept | maps : kept;
  }
  [[nodiscard]] index samples() const override { return static_cast<index>(rows_.size()); }
  [[nodiscard]] signals<const float> of(std::span<const std::ptrdiff_t> chosen, signal_set wanted,
                                        int threads) override {
    const bool makes_maps = has(wanted, maps) && has(holds(), maps);
    wanted_ = makes_maps ? wanted | signal::queries | signal::keys : wanted;
    store_->gather(rows_of(chosen), batch_, wanted_);
    signals<const float> seen = batch_.seen();
    if (makes_maps) make_maps(seen, wanted, threads);
    return seen;
  }
  void announce(std::span<const std::ptrdiff_t> chosen) override { store_->prefetch(rows_of(chosen), wanted_); }

 private:
  static constexpr signal_set maps = signal::scores | signal::probabilities;

  std::span<const index> rows_of(std::span<const std::ptrdiff_t> chosen) {
    chosen_.clear();
    for (const std::ptrdiff_t i : chosen) chosen_.push_back(rows_[static_cast<std::size_t>(i)]);
    return chosen_;
  }

  /// The maps of every layer whose queries and keys are there.
  void make_maps(signals<const float>& seen, signal_set wanted, int threads) {
    memory_.reset();
    const std::size_t layers = std::min(seen.queries.size(), seen.keys.size());
    const auto places = detail::places_of_maps(seen.rows, heads_, memory_);
    const auto room = [&](signal_set which) {
      return has(wanted, which) ? detail::maps_at<float>(places, heads_, false, memory_) : square_blocks<float>{};
    };
    if (has(wanted, signal::scores)) seen.scores = per_layer<square_blocks<const float>>(layers);
    if (has(wanted, signal::probabilities)) seen.probabilities = per_layer<square_blocks<const float>>(layers);
    for (std::size_t l = 0; l < layers; ++l) {
      if (seen.queries[l].empty() || seen.keys[l].empty()) continue;
      const square_blocks<float> scores = room(signal::scores), probabilities = room(signal::probabilities);
      ops::attention(cpu_executor<>{threads}, {.heads = heads_}, seen.rows, seen.queries[l], seen.keys[l],
                     view<const float, 2>{}, view<float, 2>{}, view<float, 2>{}, scores, probabilities);
      if (!scores.empty()) seen.scores[l] = scores;
      if (!probabilities.empty()) seen.probabilities[l] = probabilities;
    }
  }

  std::shared_ptr<const teacher_store> store_;
  std::vector<index> rows_, chosen_;
  index heads_;
  signal_set wanted_ = signal::all;  ///< of the last batch
  kept_batch batch_;
  arena memory_;  ///< of maps
};

}  // namespace limbeck
