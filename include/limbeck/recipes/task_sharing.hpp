// Who decides the shares of samples in a training on a task, and which samples are held out for that.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "limbeck/core/error.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/models/model.hpp"
#include "limbeck/training/console.hpp"
#include "limbeck/training/held_out.hpp"
#include "limbeck/training/rw_kd.hpp"
#include "limbeck/training/training_options.hpp"

namespace limbeck {

/// Variants of RW-KD, and what they are compared with.
enum class sharing_rule {
  look_ahead,    ///< look_ahead_sharing
  meta_network,  ///< meta_network_sharing
  naive,         ///< naive_sharing
};

/// How the shares of samples are decided.
struct sharing_options {
  sharing_rule rule = sharing_rule::look_ahead;
  double meta_share = 0.1;  ///< of the labelled training samples, held out; nothing is for the naive rule
  index meta_batch = 0;     ///< held-out samples of a step; 0: as many as a batch has
  meta_goal goal = meta_goal::label_and_teacher;
  look_ahead_options look_ahead{};
  meta_network_options network{};
  double naive_rate = 0.01;  ///< of the Adam of the naive rule

  /// Throws contract_error naming the setting.
  void check() const {
    expects(meta_share > 0 && meta_share < 1,
            [&] { return message("meta-share: must lie between 0 and 1, not ", meta_share); });
    expects(look_ahead.least > 0 && look_ahead.beta > 0, [&] {
      return message("look-ahead: beta ", look_ahead.beta, " and the least share ", look_ahead.least,
                     " must be positive");
    });
    expects(network.hidden >= 1,
            [&] { return message("meta-network: ", network.hidden, " hidden units, expected 1 or more"); });
    expects(meta_batch >= 0, [&] { return message("meta-batch: must not be negative, not ", meta_batch); });
    for (const double rate : {network.learning_rate, network.look_ahead_rate, naive_rate, look_ahead.learning_rate})
      expects(rate >= 0 && rate <= 1, [&] { return message("meta-rate: must be in 0 .. 1, not ", rate); });
  }
};

namespace detail {

/// What a resumed run must repeat.
[[nodiscard]] inline json settings_of(const sharing_options& o) {
  json all{{"rule", o.rule == sharing_rule::look_ahead     ? "look-ahead"
                    : o.rule == sharing_rule::meta_network ? "meta-network"
                                                           : "naive"}};
  if (o.rule == sharing_rule::naive) {
    all["rate"] = o.naive_rate;
    return all;
  }
  all["meta-share"] = o.meta_share;
  all["meta-batch"] = o.meta_batch;
  all["goal"] = o.goal == meta_goal::label ? "label" : "label and teacher";
  if (o.rule == sharing_rule::look_ahead) {
    all["look-ahead-rate"] = o.look_ahead.learning_rate;
    all["beta"] = o.look_ahead.beta;
    all["least"] = o.look_ahead.least;
  } else {
    all["look-ahead-rate"] = o.network.look_ahead_rate;
    all["hidden"] = o.network.hidden;
    all["rate"] = o.network.learning_rate;
  }
  return all;
}

/// The one of a run. Its memory is what the run's step looks at: it must outlive the run.
template <launchable E>
class task_sharing {
 public:
  /// Holds samples of `train` out, where a term `shares` samples and the rule looks at such. Throws contract_error for
  /// options that make no sense, or too few samples.
  task_sharing(const sharing_options& options, const training_options& training, bool shares, const sample_set& train,
               console& out)
      : options_(options), training_(training), shares_(shares) {
    if (!shares_) return;
    options_.check();
    if (options_.rule == sharing_rule::naive) return;
    divided_ = hold_out(train, options_.meta_share, training.seed);
    out.say(std::to_string(divided_->held_out.size()) +
            " training samples are held out to decide the shares of the others");
  }
  task_sharing(const task_sharing&) = delete;  // what decides looks at it
  task_sharing& operator=(const task_sharing&) = delete;

  /// The samples of `all` that are not held out.
  [[nodiscard]] const sample_set& trained_on(const sample_set& all) const { return divided_ ? divided_->kept : all; }
  /// Decides for `step` from now on. teach(samples, step) tells another step what the teacher says of them.
  template <class Teach>
  void join(const bert_classifier& student, taught_by<bert_classifier, float> teacher, index samples,
            distiller<bert_classifier, E, float>& step, const Teach& teach) {
    if (!shares_) return;
    const meta_step_options meta{.batch_size = options_.meta_batch > 0 ? options_.meta_batch : training_.batch_size,
                                 .goal = options_.goal,
                                 .seed = training_.seed};
    const auto with_meta_step = [&](auto made) {
      teach(divided_->held_out, made->meta().step());
      who_ = std::move(made);
    };
    switch (options_.rule) {
      case sharing_rule::look_ahead:
        with_meta_step(std::make_unique<look_ahead_sharing<bert_classifier, E, float>>(
            student, teacher, step.terms(), divided_->held_out, meta, options_.look_ahead));
        break;
      case sharing_rule::meta_network:
        with_meta_step(std::make_unique<meta_network_sharing<bert_classifier, E, float>>(
            student, teacher, step.terms(), divided_->held_out, meta, options_.network));
        break;
      case sharing_rule::naive:
        who_ = std::make_unique<naive_sharing<E, float>>(step.terms(), samples, options_.naive_rate);
        break;
    }
    step.use_sharing(who_.get());
  }

 private:
  sharing_options options_;
  training_options training_;
  bool shares_;
  std::optional<divided_set> divided_;
  std::unique_ptr<sample_sharing<E, float>> who_;
};

}  // namespace detail
}  // namespace limbeck
