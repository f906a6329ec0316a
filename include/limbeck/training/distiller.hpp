// One micro-batch of a distillation: both forward passes, the terms, the backward pass.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "limbeck/backend/arena.hpp"
#include "limbeck/backend/array_mover.hpp"
#include "limbeck/models/model.hpp"
#include "limbeck/models/touched_rows.hpp"
#include "limbeck/training/kept_maps.hpp"
#include "limbeck/training/kept_teacher.hpp"
#include "limbeck/training/sample_sharing.hpp"
#include "limbeck/training/samples.hpp"
#include "limbeck/training/step_counts.hpp"
#include "limbeck/training/terms.hpp"
#include "limbeck/training/value_sums.hpp"

namespace limbeck {

/// A teacher: a model that is looked at and never trained, and, where they were computed before, its logits of every
/// training sample, [samples, classes].
template <class Model, class T, backend B = cpu>
struct taught_by {
  const Model* model = nullptr;  ///< null: none
  view<const T, 1, B> weights{};
  view<const T, 2> logits{};  ///< on the host
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

/// Runs micro-batches of a student and adds to its gradient. Works for plain training too, without a teacher. Weights,
/// gradients and values lie where E works; samples come from the host. Allocates nothing once the largest batch was
/// seen; a provider's products may take memory for themselves, as Eigen's do.
template <class Model, launchable E, class T, class Samples = sample_set>
class distiller {
 public:
  using place = backend_of<E>;

  distiller(const Model& student, taught_by<Model, T, place> teacher, std::vector<named_term<E, T>> terms)
      : student_(&student), teacher_(teacher), terms_(std::move(terms)), touched_(touched_rows_of(student)) {
    for (const auto& term : terms_) {
      reads_ = reads_ | term.loss.reads;
      if (term.reads_teacher) teacher_reads_ = teacher_reads_ | term.loss.reads;
      if (term.samples.weighs()) teacher_reads_ = teacher_reads_ | signal::logits;
      shares_ = shares_ || term.samples.shared();
    }
    expects(on_host || !shares_, "distiller: shares of samples are decided on the host alone");
  }

  [[nodiscard]] const std::vector<named_term<E, T>>& terms() const { return terms_; }
  /// Whether a term looks at the teacher's logits.
  [[nodiscard]] bool reads_teacher_logits() const { return has(teacher_reads_, signal::logits); }
  /// `logits`: [samples, classes], of the set that accumulate() is given.
  void use_logits(view<const T, 2> logits) {
    teacher_.logits = logits;
    sample_weights_.clear();
  }
  /// What the samples of that set count in each term, [terms][samples], or nothing where each counts 1. Needed off the
  /// host alone: there, terms that weigh samples do so by the logits.
  void use_sample_weights(std::vector<std::vector<T>> weights) { sample_weights_ = std::move(weights); }
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

  /// Sets to 0 what accumulate() may have added to since the last call; all of it the first time, and on a device.
  /// `gradient`: the one that accumulate() is given.
  void clear(const E& on, view<T, 1, place> gradient) {
    if constexpr (on_host)
      touched_.clear(on, gradient);
    else
      ops::fill(on, T(0), gradient);
    shares_of_step_.samples.clear();
    shares_of_step_.shares.clear();
  }
  /// Where the gradient may differ from 0; on a device that is anywhere.
  [[nodiscard]] const touched_rows& touched() const { return touched_; }

  /// Adds the gradient of the chosen samples' share of a step to `gradient` and each term's value, weighted, to
  /// `values` [terms]. `counts` are those of the whole step. Throws contract_error where kept logits are of more or
  /// fewer samples than `set`, or where a term weighs samples by logits that are not kept, or shares them and nobody
  /// says how.
  void accumulate(const E& on, const Samples& set, std::span<const std::ptrdiff_t> chosen, const normaliser& counts,
                  const pass_mode& mode, double progress, view<const T, 1, place> weights, view<T, 1, place> gradient,
                  view<double, 1, place> values) {
    const signals<const T, place> shown = take(on, set, chosen);
    touched_.mark(batch_.tokens().ids);
    const auto seen = student_->forward(on, weights, batch_.tokens(), reads_, mode, here_->student);
    if constexpr (on_host)
      if (shares_)
        share_samples(on, {chosen, batch_.tokens(), {}, seen, shown, mode, progress, epoch_, weights, reads_});
    const view<T, 2, place> of_samples = no_values(on, chosen);
    for (std::size_t t = 0; t < terms_.size(); ++t) add_term(on, t, seen, shown, counts, progress, of_samples);
    add_row_sums(on, read_only(of_samples), values);
    student_->backward(on, weights, here_->student, gradient);
  }
  /// The same for values in an array of the host's.
  void accumulate(const E& on, const Samples& set, std::span<const std::ptrdiff_t> chosen, const normaliser& counts,
                  const pass_mode& mode, double progress, view<const T, 1> weights, view<T, 1> gradient,
                  std::span<double> values)
    requires std::same_as<place, cpu>
  {
    accumulate(on, set, chosen, counts, mode, progress, weights, gradient,
               view<double, 1>(values.data(), values.size()));
  }

  /// Calls use(term) for the number of each, in turn, when `gradient` holds the gradient of that term alone and
  /// touched() is about it; over the same samples and with the same dropout as accumulate(), so that the sum of all is
  /// what it adds. Clears what `gradient` held before and leaves 0. Takes a forward and a backward pass of the student
  /// for each term, and one look at the teacher. Throws as accumulate() does. Shares of samples are those that the last
  /// call of accumulate() had, which must be of these samples; else contract_error.
  template <class Use>
  void each_term_gradient(const E& on, const Samples& set, std::span<const std::ptrdiff_t> chosen,
                          const normaliser& counts, const pass_mode& mode, double progress,
                          view<const T, 1, place> weights, view<T, 1, place> gradient, const Use& use) {
    expects(!shares_ || knows_shares(chosen), "distiller: these are not the samples whose shares are known");
    const signals<const T, place> shown = take(on, set, chosen);
    const view<T, 2, place> of_samples = no_values(on, chosen);
    for (std::size_t t = 0; t < terms_.size(); ++t) {
      clear(on, gradient);
      touched_.mark(batch_.tokens().ids);
      const auto seen = student_->forward(on, weights, batch_.tokens(), reads_, mode, here_->student);
      add_term(on, t, seen, shown, counts, progress, of_samples);
      student_->backward(on, weights, here_->student, gradient);
      use(t);
    }
    clear(on, gradient);
  }

 private:
  static constexpr bool on_host = std::same_as<place, cpu>;
  /// What works where E does.
  struct workplace {
    explicit workplace(const E& on) : student(on), teacher(on), memory(on) {}

    typename Model::template pass<T, place> student, teacher;
    basic_arena<place> memory;
    array_mover<place> arrays;
    kept_maps<T, place> maps;
  };

  static void expects_samples(index kept, index given) {
    expects(kept == given,
            [&] { return message("distiller: what is kept is of ", kept, " samples, the set has ", given); });
  }
  /// The weights of all samples of the set, for terms that have such; once for the logits that are kept.
  void weigh_samples(const E& on, const Samples& set) {
    if (!sample_weights_.empty()) return;
    std::vector<std::vector<T>> weights(terms_.size());
    for (std::size_t t = 0; t < terms_.size(); ++t) {
      const auto& term = terms_[t];
      expects(!term.samples.weighs() || (on_host && !teacher_.logits.empty()), [&] {
        return message("distiller: ", term.name, " weighs samples by the teacher's logits, which use_logits() gives");
      });
      if constexpr (on_host) weights[t] = weights_of_samples(on, term.samples, teacher_.logits, set);
    }
    sample_weights_ = std::move(weights);
  }
  /// What the chosen samples count in each term, on the host.
  void gather_weights(std::span<const std::ptrdiff_t> chosen) {
    weights_.resize(terms_.size());
    weighed_.assign(terms_.size(), {});
    for (std::size_t t = 0; t < terms_.size(); ++t) {
      weights_[t].clear();
      if (!sample_weights_[t].empty())
        for (const std::ptrdiff_t i : chosen) weights_[t].push_back(sample_weights_[t][static_cast<std::size_t>(i)]);
    }
  }
  [[nodiscard]] view<const T, 1, place> weights_of(std::size_t term) const {
    if constexpr (on_host) {
      using enum sample_weighting::rule;
      if (terms_[term].samples.by == rw_kd) return view<const T, 1>(share_.data(), share_.size());
      if (terms_[term].samples.by == rw_kd_rest) return view<const T, 1>(rest_.data(), rest_.size());
    }
    return weighed_[term];
  }
  /// Packs the chosen samples and returns what the teacher shows of them.
  signals<const T, place> take(const E& on, const Samples& set, std::span<const std::ptrdiff_t> chosen) {
    expects_samples(teacher_.logits.empty() ? set.size() : teacher_.logits.extent(0), set.size());
    if (kept_ != nullptr) expects_samples(kept_->samples(), set.size());
    expects(!shares_ || sharing_ != nullptr,
            "distiller: nobody decides the shares of samples, which use_sharing() says");
    weigh_samples(on, set);
    batch_.fill(set, chosen, epoch_);
    gather_weights(chosen);
    if (!here_) here_.emplace(on);
    return teacher_signals(on, chosen);
  }
  /// Brings what a batch needs beside its tokens to where E works; returns what a teacher showed before, and the maps
  /// that are to be made of it.
  signals<const T, place> bring(const E& on, const signals<const T>& kept, signal_set maps) {
    signals<const T, place> shown;
    const targets<T> given = batch_.given();
    const view<const T, 1> labelled = batch_.labelled();
    given_ = {};
    labelled_ = {};
    here_->memory.reset();
    if (maps != signal::none) here_->maps.lay_out(kept.rows, kept_->heads());
    here_->arrays(on, here_->memory, [&](const auto& one) {
      for_each_array(kept, shown, one);
      if (maps != signal::none) here_->maps.bring(one);
      one(given.labels, given_.labels);
      one(given.scores, given_.scores);
      one(given.row_weight, given_.row_weight);
      one(labelled, labelled_);
      for (std::size_t t = 0; t < terms_.size(); ++t)
        if (!weights_[t].empty()) one(view<const T, 1>(weights_[t].data(), weights_[t].size()), weighed_[t]);
    });
    if (maps != signal::none) here_->maps.make(on, maps, shown, here_->memory);
    return shown;
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
  /// Room for the value of every sample in each term, [terms, samples], 0 by now.
  view<T, 2, place> no_values(const E& on, std::span<const std::ptrdiff_t> chosen) {
    const view<T, 2, place> values =
        here_->memory.template matrix<T>(static_cast<index>(terms_.size()), static_cast<index>(chosen.size()));
    ops::fill(on, T(0), values);
    return values;
  }
  /// Adds the gradient of a term to that of the student's pass, and what samples are worth in it to its row of
  /// `values`.
  void add_term(const E& on, std::size_t t, const signals<const T, place>& seen, const signals<const T, place>& shown,
                const normaliser& counts, double progress, const view<T, 2, place>& values) {
    targets<T, place> given = given_;
    if (terms_[t].reads_labels) given.row_weight = labelled_;
    const index samples = values.extent(1);
    terms_[t].loss(on, seen, shown, given,
                   sink<T, place>{.value = view<T, 1, place>(values.data() + static_cast<index>(t) * samples, samples),
                                  .gradient = here_->student.gradient,
                                  .weight = weights_of(t),
                                  .scale = terms_[t].weight(progress),
                                  .per = counts,
                                  .progress = progress,
                                  .epoch = epoch_});
  }
  signals<const T, place> teacher_signals(const E& on, std::span<const std::ptrdiff_t> chosen) {
    const signal_set given = teacher_reads_ & (teacher_.logits.empty() ? signal::none : signal::logits);
    signal_set kept = signal::none, maps = signal::none;
    if (kept_ != nullptr) {
      maps = kept_maps<T, place>::that_come_of(*kept_, teacher_reads_);
      kept = ((teacher_reads_ - given) & kept_->holds()) | (maps == signal::none ? maps : kept_maps<T, place>::made_of);
    }
    const signal_set fresh = teacher_reads_ - given - kept - maps;
    signals<const T> known;
    if (kept != signal::none) known = kept_->of(chosen, kept);
    if (given != signal::none) known.logits = kept_logits(chosen);
    const signals<const T, place> brought = bring(on, known, maps);
    signals<const T, place> shown;
    if (teacher_.model != nullptr && fresh != signal::none)
      shown = teacher_.model->forward(on, teacher_.weights, batch_.tokens(), fresh, inference, here_->teacher);
    put_over(shown, brought);
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
  taught_by<Model, T, place> teacher_;
  kept_teacher<T>* kept_ = nullptr;
  std::vector<named_term<E, T>> terms_;
  touched_rows touched_;
  signal_set reads_ = signal::none, teacher_reads_ = signal::none;
  std::optional<workplace> here_;  ///< from the first batch on
  typename Samples::template batch<T> batch_;
  targets<T, place> given_;
  view<const T, 1, place> labelled_;
  std::vector<T> logits_, share_, rest_;
  std::vector<std::vector<T>> sample_weights_;    ///< [terms][samples of the set], or nothing where each counts 1
  std::vector<std::vector<T>> weights_;           ///< the same of the batch
  std::vector<view<const T, 1, place>> weighed_;  ///< the same where E works
  bool shares_ = false;
  sample_sharing<E, T>* sharing_ = nullptr;
  shares_of_step<T> shares_of_step_;
  std::uint64_t epoch_ = 0;
};

}  // namespace limbeck
