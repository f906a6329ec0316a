// The training loop: epochs of steps, evaluations, the best state kept, checkpoints and resume.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "limbeck/io/run_record.hpp"
#include "limbeck/training/checkpoint.hpp"
#include "limbeck/training/console.hpp"
#include "limbeck/training/dev_scores.hpp"
#include "limbeck/training/distiller.hpp"
#include "limbeck/training/interruption.hpp"
#include "limbeck/training/learning_rate.hpp"
#include "limbeck/training/training_engine.hpp"
#include "limbeck/training/training_options.hpp"

namespace limbeck {

/// How a run ended.
enum class run_end { complete, stopped_early, interrupted };

/// What a finished or interrupted run can tell.
struct run_result {
  run_end end = run_end::complete;
  run_position at;
  double seconds = 0;
  bool asked_to_stop = false;  ///< also where that came too late to interrupt it
};

/// Trains what an engine steps on. The order of samples, dropout and schedules are functions of seed and position
/// alone, so a run that was stopped anywhere and resumed ends with the same bits; one that another engine goes on with,
/// with those that it would have come to from there.
template <class Samples = sample_set>
class trainer {
 public:
  using engine_type = training_engine<Samples>;

  /// `folder` receives run.jsonl and checkpoint.safetensors; `settings` go into the checkpoint, and a resumed run must
  /// have the same. `save_best` is called with the weights whenever the state is the best so far.
  trainer(engine_type& engine, training_options options, std::filesystem::path folder, json settings,
          std::function<void(view<const float, 1>)> save_best, console& out)
      : engine_(engine),
        options_(options),
        folder_(std::move(folder)),
        settings_(std::move(settings)),
        save_best_(std::move(save_best)),
        out_(out) {
    options_.check();
  }

  [[nodiscard]] std::filesystem::path checkpoint_file() const { return folder_ / "checkpoint.safetensors"; }
  /// Where samples are shared: their shares, a line a step.
  [[nodiscard]] std::filesystem::path shares_file() const { return folder_ / "sample_shares.jsonl"; }

  /// Runs to the end, or until somebody asks to stop. `evaluate` is asked after each epoch how good the state is; where
  /// there is none, the last state is the best. With `resume` goes on from the checkpoint, if there is one. Throws
  /// std::runtime_error where a loss is not finite, naming term and step, and contract_error where the run should end
  /// when evaluations show no gain, and there are none.
  run_result run(const Samples& train, const evaluator& evaluate, bool resume) {
    expects(evaluate || options_.early_stop == 0, "early-stop: nothing is evaluated in this run");
    const interruption stop;
    const auto started = std::chrono::steady_clock::now();
    plan(train);
    open(resume);
    saved_ = std::chrono::steady_clock::now();
    run_end end = gains_nothing() ? run_end::stopped_early : run_end::complete;  // it may have been killed at its end
    while (at_.updates < rate_.updates && end == run_end::complete) {
      if (!run_to_evaluation(train, stop)) {
        end = run_end::interrupted;
        break;
      }
      if (judge(evaluate)) end = run_end::stopped_early;
      end_epoch();
      save();
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    out_.clear();
    return {end, at_, took.count(), stop.asked()};
  }

  /// Adds a line to the record of a run that ran to its end; a run that is killed before finish() and resumed drops it.
  void note_at_end(json line) {
    line["step"] = at_.updates;
    record_->append(line);
  }

  /// Once all that a complete run leaves is written: notes its end and removes the checkpoint.
  void finish() {
    record_->append({{"event", "end"}, {"step", at_.updates}, {"epoch", at_.epoch}, {"best_epoch", at_.best_epoch}});
    record_->sync();
    std::error_code failed;
    std::filesystem::remove(checkpoint_file(), failed);
    if (failed) throw file_error(checkpoint_file().string(), "", "cannot be removed: " + failed.message());
  }

 private:
  void plan(const Samples& train) {
    const index batches = (train.size() + options_.batch_size - 1) / options_.batch_size;
    steps_of_epoch_ = (batches + options_.accumulate - 1) / options_.accumulate;
    const index updates = options_.steps > 0 ? options_.steps : steps_of_epoch_ * options_.epochs;
    rate_ = {options_.learning_rate, static_cast<index>(std::lround(options_.warmup * static_cast<double>(updates))),
             updates};
    epoch_of_order_ = -1;
  }

  void open(bool resume) {
    const auto record = folder_ / "run.jsonl";
    if (resume && std::filesystem::exists(checkpoint_file())) {
      at_ = load_checkpoint(checkpoint_file(), engine_.table(), settings_, engine_.room(), engine_.learned_beside());
      engine_.go_on_from(at_.updates);
      engine_.share_from(at_.micro_batches);
      record_ = run_record::resume(record, at_.updates);
      if (engine_.shares_samples()) shares_record_ = run_record::resume(shares_file(), at_.updates);
      out_.say("resumed at update " + std::to_string(at_.updates) + " of " + std::to_string(rate_.updates));
    } else {
      record_ = run_record::start(record);
      record_->append({{"event", "start"}, {"step", -1}, {"settings", settings_}});  // before step 0
      std::error_code none;
      std::filesystem::remove(shares_file(), none);  // of an earlier run
      if (engine_.shares_samples()) shares_record_ = run_record::start(shares_file());
    }
  }

  /// Runs updates until the state is to be evaluated. False where somebody asked to stop; everything is saved then.
  bool run_to_evaluation(const Samples& train, const interruption& stop) {
    do {
      if (stop.asked()) {
        save();
        return false;
      }
      end_epoch();
      begin_epoch(train);
      update(train, order_);
      const std::chrono::duration<double> since = std::chrono::steady_clock::now() - saved_;
      if (since.count() >= options_.save_every && !evaluation_is_due()) save();  // else evaluate first
    } while (!evaluation_is_due());
    return true;
  }
  /// Whether the run stands where it evaluates: behind so many updates or an epoch, and at its end.
  [[nodiscard]] bool evaluation_is_due() const {
    if (at_.updates == rate_.updates) return true;
    return options_.evaluate_every > 0 ? at_.updates % options_.evaluate_every == 0
                                       : at_.step_of_epoch == steps_of_epoch_;
  }
  void end_epoch() {
    if (at_.step_of_epoch < steps_of_epoch_) return;
    ++at_.epoch;
    at_.step_of_epoch = 0;
  }
  /// The order of the epoch that is under way, where it is not the one at hand.
  void begin_epoch(const Samples& train) {
    if (epoch_of_order_ == at_.epoch) return;
    epoch_of_order_ = at_.epoch;
    const auto epoch = static_cast<std::uint64_t>(at_.epoch);
    order_ = training_batches(train.lengths, {.batch_size = options_.batch_size, .seed = options_.seed}, epoch);
    engine_.begin_epoch(epoch);
  }

  void update(const Samples& train, const batch_order& order) {
    const index first = at_.step_of_epoch * options_.accumulate;
    micro_.clear();
    for (index b = first; b < std::min(first + options_.accumulate, order.size()); ++b) micro_.push_back(order[b]);
    const normaliser counts = counts_of_step(micro_, train, engine_.classes());
    const double progress = static_cast<double>(at_.updates) / static_cast<double>(rate_.updates);
    engine_.begin_step();
    for (std::size_t b = 0; b < micro_.size(); ++b) {
      const index next = first + static_cast<index>(b) + 1;
      if (next < order.size()) engine_.announce(order[next]);
      engine_.accumulate(train, micro_[b], counts, mode_of(at_.micro_batches++), progress);
    }
    const step_totals found = engine_.totals();
    expects_finite(found);
    const double rate = rate_(at_.updates);
    engine_.update(rate, options_.clip);
    note(train, found, rate);
    if (compares_terms()) note_gradient_shares(train, progress);
    ++at_.updates;
    ++at_.step_of_epoch;
  }

  [[nodiscard]] pass_mode mode_of(index micro_batch) const {
    return {.keeps = true,
            .dropout = options_.dropout,
            .attention_dropout = options_.dropout,
            .seed = options_.seed,
            .step = static_cast<std::uint64_t>(micro_batch)};
  }

  /// Whether it is time to see how much each term pulls: at the first update, the last, and some between.
  [[nodiscard]] bool compares_terms() const {
    const auto terms = static_cast<index>(engine_.term_names().size());
    if (terms < 2 || options_.gradient_shares == 0) return false;
    const index every = std::max(rate_.updates / options_.gradient_shares, 100 * terms);
    return at_.updates % every == 0 || at_.updates + 1 == rate_.updates;
  }
  /// After an update, of its last micro-batch as if it were all, with the same dropout.
  void note_gradient_shares(const Samples& train, double progress) {
    const normaliser counts = counts_of_step(std::span(micro_).last(1), train, engine_.classes());
    const std::vector<double> norms =
        engine_.norms_of_terms(train, micro_.back(), counts, mode_of(at_.micro_batches - 1), progress);
    const double sum = std::accumulate(norms.begin(), norms.end(), 0.0);
    json line{{"event", "gradient_shares"}, {"step", at_.updates}, {"epoch", at_.epoch}};
    for (std::size_t t = 0; t < norms.size(); ++t) {
      const std::string& name = engine_.term_names()[t];
      line["norms"][name] = norms[t];
      line["shares"][name] = sum > 0 ? norms[t] / sum : 0;
    }
    record_->append(line);
  }

  void expects_finite(const step_totals& found) const {
    for (std::size_t t = 0; t < found.values.size(); ++t)
      if (!std::isfinite(found.values[t]))
        throw std::runtime_error("the loss is " + std::to_string(found.values[t]) + " in term " +
                                 engine_.term_names()[t] + " at update " + std::to_string(at_.updates) +
                                 last_good_state());
    if (!std::isfinite(found.norm))
      throw std::runtime_error("the gradient is not finite at update " + std::to_string(at_.updates) +
                               last_good_state());
  }
  [[nodiscard]] std::string last_good_state() const {
    return std::filesystem::exists(checkpoint_file()) ? "; the last good state is in " + folder_.string() : "";
  }

  void note(const Samples& train, const step_totals& found, double rate) {
    const double loss = std::accumulate(found.values.begin(), found.values.end(), 0.0);
    json line{{"event", "step"}, {"step", at_.updates},   {"epoch", at_.epoch},
              {"loss", loss},    {"learning_rate", rate}, {"gradient_norm", found.norm}};
    for (std::size_t t = 0; t < found.values.size(); ++t) line["terms"][engine_.term_names()[t]] = found.values[t];
    if (shares_record_) note_shares(train, line);
    record_->append(line);
    char text[64];
    std::snprintf(text, sizeof text, "loss %.4f", loss);
    const index epochs = (rate_.updates + steps_of_epoch_ - 1) / steps_of_epoch_;
    out_.progress("epoch " + std::to_string(at_.epoch + 1) + "/" + std::to_string(epochs), at_.step_of_epoch + 1,
                  steps_of_epoch_, text);
  }

  /// Notes the shares of the step's samples in a record of their own and how they lie in `line`, all to 4 digits.
  void note_shares(const Samples& train, json& line) {
    const shares_of_step<float>& of_step = engine_.shares();
    const auto rounded = [](double x) { return std::round(1e4 * x) / 1e4; };
    json samples = json::array(), shares = json::array();
    for (index number : of_step.samples) {
      if constexpr (requires { train.number(number); }) number = train.number(number);
      samples.push_back(number);
    }
    std::vector<double> sorted(of_step.shares.begin(), of_step.shares.end());
    for (const double share : sorted) shares.push_back(rounded(share));
    shares_record_->append({{"step", at_.updates}, {"epoch", at_.epoch}, {"samples", samples}, {"shares", shares}});
    std::sort(sorted.begin(), sorted.end());
    const double mean = std::accumulate(sorted.begin(), sorted.end(), 0.0) / static_cast<double>(sorted.size());
    const auto quartile = [&](std::size_t q) { return rounded(sorted[(sorted.size() - 1) * q / 4]); };
    line["sample_shares"] = {{"mean", rounded(mean)}, {"quartiles", {quartile(1), quartile(2), quartile(3)}}};
  }

  /// Keeps the state if it is the best so far. True where the run should end.
  bool judge(const evaluator& evaluate) {
    std::optional<evaluation_result> found;
    if (evaluate) found = evaluate();
    const bool better = !found || !at_.best || (found->score && *found->score > *at_.best);
    if (better) {
      // A folder that was removed must not come back with a model alone.
      record_->sync();
      if (found) at_.best = found->score.value_or(worst_score);
      at_.best_epoch = at_.epoch;
      save_best_(engine_.weights());
    }
    if (!found) return false;
    at_.evaluations_without_gain = better ? 0 : at_.evaluations_without_gain + 1;
    json entry{{"event", "evaluation"}, {"step", at_.updates - 1}, {"epoch", at_.epoch}};
    entry.update(found->entry);
    entry["best"] = better;
    record_->append(entry);
    const std::string when = options_.evaluate_every > 0 ? "update " + std::to_string(at_.updates)
                                                         : "epoch " + std::to_string(at_.epoch + 1);
    out_.say(when + ":" + found->line + (better ? " (best)" : ""));
    return gains_nothing();
  }

  [[nodiscard]] bool gains_nothing() const {
    return options_.early_stop > 0 && at_.evaluations_without_gain >= options_.early_stop;
  }

  void save() {
    record_->sync();
    if (shares_record_) shares_record_->sync();
    save_checkpoint(checkpoint_file(), engine_.table(), settings_, at_, engine_.numbers(), engine_.learned_beside());
    saved_ = std::chrono::steady_clock::now();
  }

  static constexpr double worst_score = -std::numeric_limits<double>::max();  ///< any defined score is better

  engine_type& engine_;
  training_options options_;
  std::filesystem::path folder_;
  json settings_;
  std::function<void(view<const float, 1>)> save_best_;
  console& out_;
  run_position at_;
  warmup_linear rate_;
  index steps_of_epoch_ = 0, epoch_of_order_ = -1;
  batch_order order_;
  std::optional<run_record> record_, shares_record_;
  std::vector<std::span<const std::ptrdiff_t>> micro_;
  std::chrono::steady_clock::time_point saved_{};
};

}  // namespace limbeck
