// What samples share themselves between: the loss by the label and the loss by the teacher.
#pragma once

#include <cstddef>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/losses/loss_policy.hpp"
#include "limbeck/training/sample_sharing.hpp"
#include "limbeck/training/terms.hpp"

namespace limbeck {

/// The terms of an objective whose samples are shared (`samples=rw_kd_rest`: the label's, `samples=rw_kd`: the
/// teacher's), sample by sample and in the weights that they have in the objective. Of each sample its own loss, as if
/// the batch were a step of its own: nothing else in the step changes it but, where samples lack a label, the count of
/// those that have one.
template <launchable E, class T>
class shared_losses {
 public:
  /// Takes its own out of all terms.
  explicit shared_losses(const std::vector<named_term<E, T>>& terms) {
    for (const named_term<E, T>& term : terms)
      if (term.samples.shared()) terms_.push_back(term);
  }

  [[nodiscard]] const std::vector<named_term<E, T>>& terms() const { return terms_; }

  /// losses [2, samples]: of the label, 0 without one, and of the teacher. `seen`: logits of the student.
  void values(const E& on, const signals<const T>& seen, const sharing_batch<T>& batch,
              const view<T, 2>& losses) const {
    for (index k = 0; k < 2; ++k)
      for (index i = 0; i < losses.extent(1); ++i) losses(k, i) = 0;
    const normaliser own = counts_of(seen, batch);
    for (const named_term<E, T>& term : terms_) {
      const index k = term.samples.by == sample_weighting::rule::rw_kd ? 1 : 0;
      term.loss(on, seen, batch.shown, given_of(term, batch),
                sink<T, cpu>{.value = view<T, 1>(&losses(k, 0), losses.extent(1)),
                             .scale = term.weight(batch.progress) * own.samples,
                             .per = own,
                             .progress = batch.progress,
                             .epoch = batch.epoch});
    }
  }

  /// Adds to `gradient`, of `seen`, that of the mean of (1 - share) * the label's loss + share * the teacher's.
  void add_gradient(const E& on, const signals<const T>& seen, const sharing_batch<T>& batch,
                    const view<const T, 1>& share, const signals<T>& gradient) {
    rest_.resize(static_cast<std::size_t>(share.extent(0)));
    for (index i = 0; i < share.extent(0); ++i) rest_[static_cast<std::size_t>(i)] = 1 - share(i);
    for (const named_term<E, T>& term : terms_)
      term.loss(on, seen, batch.shown, given_of(term, batch),
                sink<T, cpu>{.gradient = gradient,
                             .weight = term.samples.by == sample_weighting::rule::rw_kd
                                           ? share
                                           : view<const T, 1>(rest_.data(), rest_.size()),
                             .scale = term.weight(batch.progress),
                             .per = counts_of(seen, batch),
                             .progress = batch.progress,
                             .epoch = batch.epoch});
  }

 private:
  [[nodiscard]] static targets<T> given_of(const named_term<E, T>& term, const sharing_batch<T>& batch) {
    targets<T> given = batch.given;
    if (!term.reads_labels) given.row_weight = {};
    return given;
  }
  [[nodiscard]] static normaliser counts_of(const signals<const T>& seen, const sharing_batch<T>& batch) {
    normaliser own{.samples = static_cast<double>(batch.chosen.size()), .rows = 0};
    own.elements = own.samples * static_cast<double>(seen.logits.extent(1));
    for (index i = 0; i < batch.given.row_weight.extent(0); ++i) own.rows += batch.given.row_weight(i) != T(0) ? 1 : 0;
    if (own.rows == 0) own.rows = 1;
    return own;
  }

  std::vector<named_term<E, T>> terms_;
  std::vector<T> rest_;
};

}  // namespace limbeck
