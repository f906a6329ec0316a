// RW-KD in training: the share of each sample, teacher against label, from what steps on either would do for held-out
// samples (Lu et al. 2021, Findings of EMNLP, "RW-KD: Sample-wise Loss Terms Re-Weighting for Knowledge Distillation"),
// and the naive weighting that it is compared with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/backend/buffer.hpp"
#include "limbeck/losses/look_ahead.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/training/adamw.hpp"
#include "limbeck/training/meta_step.hpp"
#include "limbeck/training/sample_sharing.hpp"
#include "limbeck/training/shared_losses.hpp"

namespace limbeck {

/// RW-KD by looking ahead (Algorithm 1): the shares of look_ahead_shares(), from the gradient of a held-out batch at
/// the student's weights. Each micro-batch has a held-out batch of its own. With held-out batches as large as the
/// others a step takes the time of eight forward passes in place of three.
template <class Model, launchable E, class T, class Samples = sample_set>
class look_ahead_sharing final : public sample_sharing<E, T> {
 public:
  look_ahead_sharing(const Model& student, taught_by<Model, T> teacher, const std::vector<named_term<E, T>>& terms,
                     const Samples& held_out, const meta_step_options& meta, look_ahead_options options = {})
      : options_(options), losses_(terms), meta_(student, teacher, losses_, held_out, meta), products_of_(student) {}

  [[nodiscard]] meta_step<Model, E, T, Samples>& meta() { return meta_; }

  void shares(const E& on, const sharing_batch<T>& batch, const view<T, 1>& share) override {
    products_.resize(2 * batch.chosen.size());
    const view<T, 2> products(products_.data(), 2, share.extent(0));
    products_of_(on, losses_, batch, meta_.gradient(on, batch.mode.step, batch.progress, batch.weights), products);
    look_ahead_shares(read_only(products), share, options_);
  }

 private:
  look_ahead_options options_;
  shared_losses<E, T> losses_;
  meta_step<Model, E, T, Samples> meta_;
  gradient_products<Model, E, T> products_of_;
  std::vector<T> products_;
};

/// Parameters that learn beside a student, with an Adam of their own and nothing that decays.
template <class T>
class learned_beside {
 public:
  explicit learned_beside(parameter_table table)
      : table_(std::move(table)),
        weights_(table_.size()),
        gradient_(table_.size()),
        adam_(table_, {.weight_decay = 0}) {}

  [[nodiscard]] const parameter_table& table() const { return table_; }
  [[nodiscard]] view<T, 1> weights() { return weights_.all(); }
  /// 0 after an update; to be added to before the next.
  [[nodiscard]] view<T, 1> gradient() { return gradient_.all(); }
  template <class Provider>
  void update(const cpu_executor<Provider>& on, double rate) {
    adam_.update(on, rate, 1, read_only(gradient_.all()), weights_.all());
    gradient_.fill(0);
  }
  [[nodiscard]] std::vector<named_numbers<T>> state() {
    return {{"sharing.weights", weights_.all()},
            {"sharing.first_moment", adam_.first_moment()},
            {"sharing.second_moment", adam_.second_moment()}};
  }
  void resume_at(index updates) { adam_.resume_at(updates); }

 private:
  parameter_table table_;
  buffer<T> weights_, gradient_;
  adamw<T> adam_;
};

struct meta_network_options {
  index hidden = 100;             ///< ReLU units
  double learning_rate = 1e-3;    ///< of the network's Adam
  double look_ahead_rate = 0.01;  ///< of the step of the student that is looked ahead
};

/// RW-KD by a meta-learner that learns beside the student (after Shu et al. 2019, arXiv:1902.07379): the shares of a
/// meta_weight_network on the sample's two losses. For each batch the network learns first: by the gradient of a
/// held-out batch at the weights that a step with its shares would lead to.
template <class Model, launchable E, class T, class Samples = sample_set>
class meta_network_sharing final : public sample_sharing<E, T> {
 public:
  meta_network_sharing(const Model& student, taught_by<Model, T> teacher, const std::vector<named_term<E, T>>& terms,
                       const Samples& held_out, const meta_step_options& meta, meta_network_options options = {})
      : options_(options),
        student_(&student),
        losses_(terms),
        meta_(student, teacher, losses_, held_out, meta),
        products_of_(student),
        network_(table_of(options.hidden)),
        gradient_(student.parameters().size()),
        touched_(touched_rows_of(student)),
        ahead_(student.parameters().size()) {
    initialise(network_.table(), meta.seed + 2, network_.weights(), 0.1);
  }

  [[nodiscard]] meta_step<Model, E, T, Samples>& meta() { return meta_; }
  [[nodiscard]] std::vector<named_numbers<T>> state() override { return network_.state(); }
  void resume_at(index micro_batches) override { network_.resume_at(micro_batches); }

  void shares(const E& on, const sharing_batch<T>& batch, const view<T, 1>& share) override {
    const index samples = share.extent(0);
    numbers_.resize(static_cast<std::size_t>(5 * samples));
    const view<T, 2> losses(numbers_.data(), 2, samples), products(numbers_.data() + 2 * samples, 2, samples);
    const view<T, 1> d_share(numbers_.data() + 4 * samples, samples);
    losses_.values(on, batch.seen, batch, losses);
    network().shares(read_only(losses), share);
    for (index i = 0; i < samples; ++i)  // nothing is decided where only the teacher knows
      if (batch.given.row_weight(i) == T(0)) share(i) = 1;
    step_ahead(on, batch, read_only(share));
    const view<const T, 1> there = ahead_.at(on, batch.weights, read_only(gradient_.all()), -options_.look_ahead_rate);
    products_of_(on, losses_, batch, meta_.gradient(on, batch.mode.step, batch.progress, there), products);
    look_ahead_share_gradients(read_only(products), options_.look_ahead_rate, d_share);
    for (index i = 0; i < samples; ++i)
      if (batch.given.row_weight(i) == T(0)) d_share(i) = 0;
    network().add_gradient(read_only(losses), read_only(d_share), network_.gradient());
    network_.update(on, options_.learning_rate);
    network().shares(read_only(losses), share);
  }

 private:
  [[nodiscard]] static parameter_table table_of(index hidden) {
    expects(hidden >= 1,
            [&] { return message("meta_network_sharing: ", hidden, " hidden units, expected 1 or more"); });
    parameter_table table;
    table.declare("hidden.weight", hidden, 2);
    table.declare("hidden.bias", hidden, 0, initial::zero);
    table.declare("output.weight", 1, hidden);
    table.declare("output.bias", 1, 0, initial::zero);
    return table;
  }
  [[nodiscard]] meta_weight_network<T> network() { return {read_only(network_.weights()), options_.hidden}; }
  /// The gradient of the batch with these shares, by the pass that is going to train.
  void step_ahead(const E& on, const sharing_batch<T>& batch, view<const T, 1> share) {
    touched_.clear(on, gradient_.all());
    touched_.mark(batch.tokens.ids);
    const signals<const T> seen = student_->forward(on, batch.weights, batch.tokens, batch.reads, batch.mode, pass_);
    losses_.add_gradient(on, seen, batch, share, pass_.gradient);
    student_->backward(on, batch.weights, pass_, gradient_.all());
  }

  meta_network_options options_;
  const Model* student_;
  shared_losses<E, T> losses_;
  meta_step<Model, E, T, Samples> meta_;
  gradient_products<Model, E, T> products_of_;
  learned_beside<T> network_;
  buffer<T> gradient_;
  touched_rows touched_;
  moved_weights<T> ahead_;
  typename Model::template pass<T> pass_;
  std::vector<T> numbers_;
};

/// A share for each sample of the training set that is learned on the training loss itself, from 0.5 on: what RW-KD is
/// compared with. Each runs to the smaller loss. It is kept in 0 .. 1.
template <launchable E, class T>
class naive_sharing final : public sample_sharing<E, T> {
 public:
  /// `samples`: of the training set; `learning_rate`: of the shares' Adam.
  naive_sharing(const std::vector<named_term<E, T>>& terms, index samples, double learning_rate = 0.01)
      : losses_(terms), learned_(table_of(samples)), rate_(learning_rate) {
    for (index i = 0; i < samples; ++i) learned_.weights()(i) = T(0.5);
  }

  [[nodiscard]] std::vector<named_numbers<T>> state() override { return learned_.state(); }
  void resume_at(index micro_batches) override { learned_.resume_at(micro_batches); }

  void shares(const E& on, const sharing_batch<T>& batch, const view<T, 1>& share) override {
    const index samples = share.extent(0);
    numbers_.resize(static_cast<std::size_t>(2 * samples));
    const view<T, 2> losses(numbers_.data(), 2, samples);
    losses_.values(on, batch.seen, batch, losses);
    const view<T, 1> all = learned_.weights(), gradient = learned_.gradient();
    for (index i = 0; i < samples; ++i) {
      const index sample = batch.chosen[static_cast<std::size_t>(i)];
      share(i) = all(sample);
      if (batch.given.row_weight(i) != T(0))
        gradient(sample) += (losses(1, i) - losses(0, i)) / static_cast<T>(samples);
    }
    learned_.update(on, rate_);
    for (index i = 0; i < all.extent(0); ++i) all(i) = std::clamp(all(i), T(0), T(1));
  }

 private:
  [[nodiscard]] static parameter_table table_of(index samples) {
    parameter_table table;
    table.declare("shares", samples);
    return table;
  }

  shared_losses<E, T> losses_;
  learned_beside<T> learned_;
  double rate_;
  std::vector<T> numbers_;
};

}  // namespace limbeck
