// Pretraining on a device beside the same on the host.
#pragma once

#include <filesystem>
#include <vector>

#include "catch.hpp"
#include "limbeck/training/learned_parameters.hpp"
#include "limbeck/training/step_engine.hpp"
#include "limbeck/training/training_device.hpp"
#include "training/device_run.hpp"
#include "training/small_corpus.hpp"

namespace limbeck_test {

/// A small masked language model that learns from text and from a teacher, with dropout.
struct device_pretraining_run {
  bool resume = false;
  limbeck::index stop_behind = 0;  ///< the evaluation, from 1, in which the run is killed; 0: none

  // What a run leaves here.
  std::vector<float> weights{};
  limbeck::masked_scores scores{};

  /// On the device, or on the host where there is none.
  device_pretraining_run& operator()(const limbeck::training_device* device, const std::filesystem::path& folder) {
    using namespace limbeck;
    const masked_documents train = small_documents(30, masks::dynamic), held_out = small_documents(9, masks::fixed, 30);
    const auto student = make_bert_masked_language_model(letter_sizes(1, 8)),
               teacher = make_bert_masked_language_model(letter_sizes(2, 12));
    buffer<float> first(student.parameters().size()), shown(teacher.parameters().size());
    initialise(student.parameters(), 7, first.all(), 0.1);
    initialise(teacher.parameters(), 3, shown.all(), 0.4);
    learned_parameters learner(
        student.parameters(), read_only(first.all()), {"cross_entropy", "soft_target_kl:t_squared=false", "hidden_mse"},
        {.student = letter_sizes(1, 8), .teacher = letter_sizes(2, 12), .classes = 17, .of_logits = divisor::rows}, 5);
    const adamw_options how{.epsilon = 1e-4};
    const auto run = [&](training_engine<masked_documents>& engine, const auto& score) {
      console quiet(true);
      trainer<masked_documents> loop(
          engine, {.epochs = 2, .batch_size = 8, .accumulate = 2, .learning_rate = 1e-2, .seed = 5, .save_every = 0},
          folder, {{"seed", 5}}, [](view<const float, 1>) {}, quiet);
      struct killed {};
      try {
        (void)loop.run(
            train,
            [&] {
              if (stop_behind > 0 && --stop_behind == 0) throw killed{};
              return evaluation_of(scores = score(held_out));
            },
            resume);
      } catch (const killed&) {
      }
      const view<const float, 1> last = engine.weights();
      weights.assign(last.data(), last.data() + last.count());
    };
    if (device != nullptr) {
      const auto there =
          device->begin(device_pretraining_plan{student, learner.table(), learner.builder(),
                                                read_only(learner.weights()), &teacher, read_only(shown.all()), how});
      run(*there, [&](const masked_documents& set) { return there->scores(set); });
    } else {
      const cpu_executor<> on;
      using step_type = distiller<bert_masked_language_model, cpu_executor<>, float, masked_documents>;
      step_type step(student, {&teacher, read_only(shown.all()), {}}, learner.terms<cpu_executor<>>());
      step_engine<bert_masked_language_model, cpu_executor<>, masked_documents> engine(
          on, student, learner.table(), learner.weights(), learner.gradients(), step, how);
      run(engine,
          [&](const masked_documents& set) { return scores_of(on, student, read_only(learner.weights()), set); });
    }
    return *this;
  }
};

/// A pretraining on the device ends where one on the host does, also where the host began it.
inline void check_device_pretraining(const limbeck::training_device& device) {
  const scratch_folder here, there, both;
  const device_pretraining_run want = device_pretraining_run()(nullptr, here.path),
                               got = device_pretraining_run()(&device, there.path);
  const auto check = [&](const device_pretraining_run& run, const scratch_folder& folder) {
    CHECK(device_run::furthest(run.weights, want.weights) <= 3e-4);
    CHECK(run.scores.loss == Approx(want.scores.loss).epsilon(1e-4));
    CHECK(run.scores.accuracy == want.scores.accuracy);
    CHECK(run.scores.guessed == want.scores.guessed);
    const auto mine = noted(folder.path, "step", "loss"), theirs = noted(here.path, "step", "loss");
    REQUIRE(mine.size() == theirs.size());
    for (std::size_t i = 0; i < mine.size(); ++i) CHECK(mine[i] == Approx(theirs[i]).epsilon(1e-3));
  };
  check(got, there);
  device_pretraining_run run{.stop_behind = 1};
  run(nullptr, both.path);
  CHECK(device_run::furthest(run.weights, want.weights) > 1e-3);
  run.stop_behind = 0;
  run.resume = true;
  check(run(&device, both.path), both);
}

}  // namespace limbeck_test
