// A teacher that is read from a file, batch by batch.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "limbeck/core/signals.hpp"
#include "limbeck/training/kept_batch.hpp"
#include "limbeck/training/kept_teacher.hpp"
#include "limbeck/training/teacher_store.hpp"

namespace limbeck {

/// A set's samples in a teacher_store, which the system is asked for one batch ahead. Of per-layer signals it has the
/// layers that the store has, and no others.
class stored_teacher final : public kept_teacher<float> {
 public:
  /// `heads`: of the teacher's attention; 0: unknown. Throws file_error naming the first sample that the store does not
  /// have.
  stored_teacher(std::shared_ptr<const teacher_store> store, const sample_set& set, index heads = 0)
      : store_(std::move(store)), rows_(store_->rows_of(set)), heads_(heads) {}

  [[nodiscard]] const teacher_store& store() const { return *store_; }
  [[nodiscard]] signal_set holds() const override { return store_->holds(); }
  [[nodiscard]] index samples() const override { return static_cast<index>(rows_.size()); }
  [[nodiscard]] index heads() const override { return heads_; }
  [[nodiscard]] signals<const float> of(std::span<const std::ptrdiff_t> chosen, signal_set wanted) override {
    wanted_ = wanted;
    store_->gather(rows_of(chosen), batch_, wanted);
    return batch_.seen();
  }
  void announce(std::span<const std::ptrdiff_t> chosen) override { store_->prefetch(rows_of(chosen), wanted_); }

 private:
  std::span<const index> rows_of(std::span<const std::ptrdiff_t> chosen) {
    chosen_.clear();
    for (const std::ptrdiff_t i : chosen) chosen_.push_back(rows_[static_cast<std::size_t>(i)]);
    return chosen_;
  }

  std::shared_ptr<const teacher_store> store_;
  std::vector<index> rows_, chosen_;
  index heads_;
  signal_set wanted_ = signal::all;  ///< of the last batch
  kept_batch batch_;
};

}  // namespace limbeck
