// A small task, a student and its teacher, and runs of the trainer on them that can be stopped at any loss.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "io/scratch_folder.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/training/step_engine.hpp"
#include "limbeck/training/trainer.hpp"
#include "training/small_samples.hpp"

namespace limbeck_test {

using small_executor = limbeck::cpu_executor<>;

/// A term that shows what it is given before it does its work.
struct watched_loss {
  limbeck::signal_set reads;
  limbeck::any_loss<small_executor, float> loss;
  std::function<void(const limbeck::targets<float>&)> watch;

  void operator()(const small_executor& on, const limbeck::signals<const float>& student,
                  const limbeck::signals<const float>& teacher, const limbeck::targets<float>& given,
                  const limbeck::sink<float, limbeck::cpu>& out) const {
    watch(given);
    loss(on, student, teacher, given, out);
  }
};

[[nodiscard]] inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// What ends a run as a crash would.
struct crash {};

/// A distillation of a regressor or classifier, hidden states through a learned projection included.
struct small_run {
  limbeck::sample_set train = limbeck_test::small_samples(8, true), dev = limbeck_test::small_samples(5, true, 100);
  limbeck::training_options training{.epochs = 3,
                                     .batch_size = 2,
                                     .learning_rate = 1e-2,
                                     .warmup = 1.0 / 3,
                                     .seed = 5,
                                     .gradient_shares = 0,
                                     .save_every = 0};
  std::vector<std::string> losses{"regression_mse:weight=linear:4:1", "logits_mse:weight=0.5",
                                  "hidden_mse:projection=linear_bias"};
  limbeck::json settings{{"seed", 5}};
  std::size_t stop_at = 0;          ///< the batch, from 1, in which the run crashes; 0: none
  std::function<void()> instead{};  ///< is called there in place of a crash
  bool resume = false, cached = true;
  limbeck::index teacher_layers = 2;
  limbeck::batch_limits kept_batch{.samples = 3};  ///< of the teacher whose logits are kept
  limbeck::kept_teacher<float>* kept = nullptr;    ///< read instead of the teacher; less logits that are `cached`
  /// Makes who decides the shares of samples; null: nobody is asked.
  std::function<std::unique_ptr<limbeck::sample_sharing<small_executor, float>>(
      const limbeck::bert_classifier&, limbeck::taught_by<limbeck::bert_classifier, float>,
      const std::vector<limbeck::named_term<small_executor, float>>&, limbeck::index)>
      sharing{};
  std::ptrdiff_t misplaced = 0;  ///< a sample meets the kept logits of the one so many further on

  // What a run leaves here.
  std::vector<std::vector<float>> batches{};  ///< scores of each micro-batch: the number of a sample
  std::vector<float> weights{}, teacher_weights{};
  limbeck::index parameters = 0, bests = 0;  ///< of what is learned; states that were the best
  std::vector<float> best_weights{};
  bool crashed = false;
  limbeck::run_result result{};

  [[nodiscard]] static limbeck::transformer_sizes sizes(limbeck::index width) {
    return {.vocabulary = 20, .positions = 12, .types = 2, .layers = 2, .width = width, .heads = 2, .inner = 10};
  }

  /// Runs until the batch, from 1, in which it crashes.
  small_run& crash_in(std::size_t batch, const std::filesystem::path& folder) {
    stop_at = batch;
    (*this)(folder);
    if (!crashed) throw std::logic_error("small_run: it came to its end before that batch");
    stop_at = 0;
    return *this;
  }
  /// Goes on from its checkpoint.
  small_run& go_on(const std::filesystem::path& folder) {
    resume = true;
    return (*this)(folder);
  }

  /// Runs in `folder` from the beginning or, with `resume`, from its checkpoint.
  small_run& operator()(const std::filesystem::path& folder) {
    using namespace limbeck;
    const limbeck::index classes = train.task.regression() ? 1 : 2;
    const bert_classifier student = make_bert_classifier(sizes(6), classes);
    limbeck::transformer_sizes of_teacher = sizes(8);
    of_teacher.layers = teacher_layers;
    const bert_classifier teacher = make_bert_classifier(of_teacher, classes);
    buffer<float> shown(teacher.parameters().size());
    initialise(teacher.parameters(), 3, shown.all(), 0.2);
    teacher_weights.assign(shown.data(), shown.data() + shown.count());
    parameter_table table = student.parameters();
    std::vector<term_spec> specs;
    for (const std::string& text : losses) specs.emplace_back(text);
    const term_builder builder(
        std::move(specs),
        {.student = sizes(6), .teacher = of_teacher, .classes = classes, .regression = train.task.regression()}, table);
    parameters = table.size();
    buffer<float> values(table.size()), gradients(table.size());
    initialise(table, 7, values.all(), 0.1);
    auto terms = builder.template build<small_executor, float>(read_only(values.all()), gradients.all());
    batches.clear();
    terms[0].loss = watched_loss{terms[0].loss.reads, terms[0].loss, [&](const targets<float>& given) {
                                   if (batches.size() + 1 == stop_at) {
                                     if (!instead) throw crash{};
                                     instead();
                                   }
                                   const auto& seen = given.scores;
                                   batches.emplace_back(seen.data(), seen.data() + seen.extent(0));
                                 }};
    const small_executor on{1};
    distiller<bert_classifier, small_executor, float> step(student, {&teacher, read_only(shown.all()), {}},
                                                           std::move(terms));
    std::vector<float> logits;
    if (cached) {
      logits = logits_of(on, teacher, read_only(shown.all()), train, kept_batch);
      std::rotate(logits.begin(), logits.begin() + misplaced * classes, logits.end());
      step.use_logits(view<const float, 2>(logits.data(), train.size(), classes));
    }
    step.use_kept(kept);
    const auto who =
        sharing ? sharing(student, {&teacher, read_only(shown.all()), {}}, step.terms(), train.size()) : nullptr;
    step.use_sharing(who.get());
    console quiet(true);
    bests = 0;
    step_engine<bert_classifier, small_executor> engine(on, student, table, values.all(), gradients.all(), step,
                                                        {.weight_decay = training.weight_decay});
    trainer<> loop(
        engine, training, folder, settings,
        [&](view<const float, 1> best) {
          ++bests;
          best_weights.assign(best.data(), best.data() + best.count());
        },
        quiet);
    const auto leave = [&] { weights.assign(values.data(), values.data() + values.count()); };
    crashed = false;
    try {
      result = loop.run(
          train, [&] { return dev_scores(on, student, read_only(values.all()), std::vector{dev}); }, resume);
    } catch (const crash&) {
      crashed = true;
    } catch (...) {
      leave();
      throw;
    }
    leave();
    if (!std::equal(teacher_weights.begin(), teacher_weights.end(), shown.data())) throw crash{};
    return *this;
  }
};

}  // namespace limbeck_test
