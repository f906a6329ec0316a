// One micro-batch of a distillation: both forward passes, the terms, the backward pass.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "limbeck/models/model.hpp"
#include "limbeck/models/touched_rows.hpp"
#include "limbeck/training/kept_teacher.hpp"
#include "limbeck/training/sample_sharing.hpp"
#include "limbeck/training/samples.hpp"
#include "limbeck/training/step_counts.hpp"
#include "limbeck/training/terms.hpp"

namespace limbeck {

/// A teacher: a model that is looked at and never trained, and, where they were computed before, its logits of every
/// training sample, [samples, classes].
template <class Model, class T>
struct taught_by {
  const Model* model = nullptr;  ///< null: none
  view<const T, 1> weights{};
  view<const T, 2> logits{};
};

/// The counts over one optimiser step that its terms are divided by.
[[nodiscard]] inline normaliser counts_of_step(std::span<const std::span<const std::ptrdiff_t>> micro_batches,
                                               const sample_set& set, index classes) {
  normaliser n =
      detail::count_samples(micro_batches, set.lengths, [&](std::ptrdiff_t i) { return set.labelled(i) ? 1 : 0; });
  n.elements = n.samples * static_cast<double>(classes);
  n.rows = std::max(n.rows, 1.0);  // a step without a label adds nothing for those who read labels
  return n;
}

/// Runs micro-batches of a student and adds to its gradient. Works for plain training too, without a teacher. Allocates
/// nothing once the largest batch was seen; a provider's products may take memory for themselves, as Eigen's do.
template <class Model, launchable E, class T, class Samples = sample_set>
class distiller {
 public:
  distiller(const Model& student, taught_by<Model, T> teacher, std::vector<named_term<E, T>> terms)
      : student_(&student), teacher_(teacher), terms_(std::move(terms)), touched_(touched_rows_of(student)) {
    for (const auto& term : terms_) {
      reads_ = reads_ | term.loss.reads;
      if (term.reads_teacher) teacher_reads_ = teacher_reads_ | term.loss.reads;
      if (term.samples.weighs()) teacher_reads_ = teacher_reads_ | signal::logits;
      shares_ = shares_ || term.samples.shared();
    }
  }

  [[nodiscard]] const std::vector<named_term<E, T>>& terms() const { return terms_; }
  /// Whether a term looks at the teacher's logits.
  [[nodiscard]] bool reads_teacher_logits() const { return has(teacher_reads_, signal::logits); }
  /// `logits`: [samples, classes], of the set that accumulate() is given.
  void use_logits(view<const T, 2> logits) {
    teacher_.logits = logits;
    sample_weights_.clear();
  }
  /// What `kept` holds, of the set that accumulate() is given, is read from there; the teacher is asked for the rest
  /// alone. Null: asked for all.
  void use_kept(kept_teacher<T>* kept) { kept_ = kept; }
  /// Whether a term's samples are shared, so that accumulate() needs somebody who decides how.
  [[nodiscard]] bool shares_samples() const { return shares_; }
  /// Decides the shares of the terms that have such; null: nobody.
  void use_sharing(sample_sharing<E, T>* sharing) { sharing_ = sharing; }
  [[nodiscard]] sample_sharing<E, T>* sharing() const { return sharing_; }
  /// The shares of the samples that came since the last clear().
  [[nodiscard]] const shares_of_step<T>& shares() const { return shares_of_step_; }
  /// Tells which samples the next call of accumulate() will be given.
  void announce(std::span<const std::ptrdiff_t> chosen) {
    if (kept_ != nullptr) kept_->announce(chosen);
  }
  /// The number of the epoch, from 0, that the next calls of accumulate() belong to: for mappings that each draws anew.
  void begin_epoch(std::uint64_t epoch) { epoch_ = epoch; }

  /// Sets to 0 what accumulate() may have added to since the last call; all of it the first time. `gradient`: the one
  /// that accumulate() is given.
  void clear(const E& on, view<T, 1> gradient) {
    touched_.clear(on, gradient);
    shares_of_step_.samples.clear();
    shares_of_step_.shares.clear();
  }
  /// Where the gradient may differ from 0.
  [[nodiscard]] const touched_rows& touched() const { return touched_; }

  /// Adds the gradient of the chosen samples' share of a step to `gradient` and each term's value, weighted, to
  /// `values` [terms]. `counts` are those of the whole step. Throws contract_error where kept logits are of more or
  /// fewer samples than `set`, or where a term weighs samples by logits that are not kept, or shares them and nobody
  /// says how.
  void accumulate(const E& on, const Samples& set, std::span<const std::ptrdiff_t> chosen, const normaliser& counts,
                  const pass_mode& mode, double progress, view<const T, 1> weights, view<T, 1> gradient,
                  std::span<double> values) {
    const signals<const T> shown = take(on, set, chosen);
    touched_.mark(batch_.tokens().ids);
    const signals<const T> seen = student_->forward(on, weights, batch_.tokens(), reads_, mode, student_pass_);
    if (shares_) share_samples(on, {chosen, batch_.tokens(), {}, seen, shown, mode, progress, epoch_, weights, reads_});
    for (std::size_t t = 0; t < terms_.size(); ++t) {
      add_term(on, t, seen, shown, chosen, counts, progress);
      for (const T v : value_) values[t] += static_cast<double>(v);
    }
    student_->backward(on, weights, student_pass_, gradient);
  }

  /// Calls use(term) for the number of each, in turn, when `gradient` holds the gradient of that term alone and
  /// touched() is about it; over the same samples and with the same dropout as accumulate(), so that the sum of all is
  /// what it adds. Clears what `gradient` held before and leaves 0. Takes a forward and a backward pass of the student
  /// for each term, and one look at the teacher. Throws as accumulate() does. Shares of samples are those that the last
  /// call of accumulate() had, which must be of these samples; else contract_error.
  template <class Use>
  void each_term_gradient(const E& on, const Samples& set, std::span<const std::ptrdiff_t> chosen,
                          const normaliser& counts, const pass_mode& mode, double progress, view<const T, 1> weights,
                          view<T, 1> gradient, const Use& use) {
    expects(!shares_ || knows_shares(chosen), "distiller: these are not the samples whose shares are known");
    const signals<const T> shown = take(on, set, chosen);
    for (std::size_t t = 0; t < terms_.size(); ++t) {
      clear(on, gradient);
      touched_.mark(batch_.tokens().ids);
      const signals<const T> seen = student_->forward(on, weights, batch_.tokens(), reads_, mode, student_pass_);
      add_term(on, t, seen, shown, chosen, counts, progress);
      student_->backward(on, weights, student_pass_, gradient);
      use(t);
    }
    clear(on, gradient);
  }

 private:
  static void expects_samples(index kept, index given) {
    expects(kept == given,
            [&] { return message("distiller: what is kept is of ", kept, " samples, the set has ", given); });
  }
  /// The weights of all samples of the set, for terms that have such; once for the logits that are kept.
  void weigh_samples(const E& on, const Samples& set) {
    if (!sample_weights_.empty()) return;
    std::vector<std::vector<T>> weights;
    for (const auto& term : terms_) {
      expects(!term.samples.weighs() || !teacher_.logits.empty(), [&] {
        return message("distiller: ", term.name, " weighs samples by the teacher's logits, which use_logits() gives");
      });
      weights.push_back(weights_of_samples(on, term.samples, teacher_.logits, set));
    }
    sample_weights_ = std::move(weights);
  }
  [[nodiscard]] view<const T, 1> weights_of(std::size_t term, std::span<const std::ptrdiff_t> chosen) {
    if (terms_[term].samples.by == sample_weighting::rule::rw_kd) return view<const T, 1>(share_.data(), share_.size());
    if (terms_[term].samples.by == sample_weighting::rule::rw_kd_rest)
      return view<const T, 1>(rest_.data(), rest_.size());
    const std::vector<T>& all = sample_weights_[term];
    if (all.empty()) return {};
    weight_.resize(chosen.size());
    for (std::size_t i = 0; i < chosen.size(); ++i) weight_[i] = all[static_cast<std::size_t>(chosen[i])];
    return view<const T, 1>(weight_.data(), weight_.size());
  }
  /// Packs the chosen samples and returns what the teacher shows of them.
  signals<const T> take(const E& on, const Samples& set, std::span<const std::ptrdiff_t> chosen) {
    expects_samples(teacher_.logits.empty() ? set.size() : teacher_.logits.extent(0), set.size());
    if (kept_ != nullptr) expects_samples(kept_->samples(), set.size());
    expects(!shares_ || sharing_ != nullptr,
            "distiller: nobody decides the shares of samples, which use_sharing() says");
    weigh_samples(on, set);
    batch_.fill(set, chosen, epoch_);
    return teacher_signals(on, chosen);
  }
  /// The shares of the batch, and what is left. Where only the teacher knows a sample, its share is 1.
  void share_samples(const E& on, sharing_batch<T> batch) {
    batch.given = batch_.given();
    batch.given.row_weight = batch_.labelled();
    share_.resize(batch.chosen.size());
    rest_.resize(batch.chosen.size());
    sharing_->shares(on, batch, view<T, 1>(share_.data(), share_.size()));
    for (std::size_t i = 0; i < share_.size(); ++i) {
      if (batch_.labelled()(static_cast<index>(i)) == T(0)) share_[i] = 1;
      rest_[i] = 1 - share_[i];
      shares_of_step_.samples.push_back(batch.chosen[i]);
      shares_of_step_.shares.push_back(share_[i]);
    }
  }
  /// Whether share_ holds the shares of these samples.
  [[nodiscard]] bool knows_shares(std::span<const std::ptrdiff_t> chosen) const {
    const auto& all = shares_of_step_.samples;
    return all.size() >= chosen.size() && share_.size() == chosen.size() &&
           std::equal(chosen.begin(), chosen.end(), all.end() - static_cast<std::ptrdiff_t>(chosen.size()));
  }
  /// Adds the gradient of a term to that of the student's pass; its values of the samples go to value_.
  void add_term(const E& on, std::size_t t, const signals<const T>& seen, const signals<const T>& shown,
                std::span<const std::ptrdiff_t> chosen, const normaliser& counts, double progress) {
    value_.assign(chosen.size(), T(0));
    targets<T> given = batch_.given();
    if (terms_[t].reads_labels) given.row_weight = batch_.labelled();
    terms_[t].loss(on, seen, shown, given,
                   sink<T, cpu>{.value = view<T, 1>(value_.data(), value_.size()),
                                .gradient = student_pass_.gradient,
                                .weight = weights_of(t, chosen),
                                .scale = terms_[t].weight(progress),
                                .per = counts,
                                .progress = progress,
                                .epoch = epoch_});
  }
  signals<const T> teacher_signals(const E& on, std::span<const std::ptrdiff_t> chosen) {
    const signal_set given = teacher_reads_ & (teacher_.logits.empty() ? signal::none : signal::logits);
    const signal_set kept = (teacher_reads_ - given) & (kept_ == nullptr ? signal::none : kept_->holds());
    const signal_set fresh = teacher_reads_ - given - kept;
    signals<const T> shown;
    if (teacher_.model != nullptr && fresh != signal::none)
      shown = teacher_.model->forward(on, teacher_.weights, batch_.tokens(), fresh, inference, teacher_pass_);
    if (kept != signal::none) put_over(shown, kept_->of(chosen, kept, on.threads));
    if (given != signal::none) shown.logits = kept_logits(chosen);
    return shown;
  }
  view<const T, 2> kept_logits(std::span<const std::ptrdiff_t> chosen) {
    const index classes = teacher_.logits.extent(1);
    logits_.resize(chosen.size() * static_cast<std::size_t>(classes));
    for (std::size_t i = 0; i < chosen.size(); ++i)
      std::copy_n(&teacher_.logits(chosen[i], 0), classes, logits_.data() + i * static_cast<std::size_t>(classes));
    return view<const T, 2>(logits_.data(), chosen.size(), classes);
  }

  const Model* student_;
  taught_by<Model, T> teacher_;
  kept_teacher<T>* kept_ = nullptr;
  std::vector<named_term<E, T>> terms_;
  touched_rows touched_;
  signal_set reads_ = signal::none, teacher_reads_ = signal::none;
  typename Model::template pass<T> student_pass_, teacher_pass_;
  typename Samples::template batch<T> batch_;
  std::vector<T> logits_, value_, weight_, share_, rest_;
  std::vector<std::vector<T>> sample_weights_;  // [terms][samples of the set], or nothing where each counts 1
  bool shares_ = false;
  sample_sharing<E, T>* sharing_ = nullptr;
  shares_of_step<T> shares_of_step_;
  std::uint64_t epoch_ = 0;
};

}  // namespace limbeck
