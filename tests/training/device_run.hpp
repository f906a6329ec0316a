// Runs of the trainer on a device beside the same on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "io/scratch_folder.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/losses/top_k.hpp"
#include "limbeck/models/initialise.hpp"
#include "limbeck/training/step_engine.hpp"
#include "limbeck/training/trainer.hpp"
#include "limbeck/training/training_device.hpp"
#include "training/small_samples.hpp"

namespace limbeck_test {

/// A teacher that is kept, as far as a step can see: it is asked on the host when it is looked at.
class looked_up_teacher final : public limbeck::kept_teacher<float> {
 public:
  /// `likeliest`: it kept the likelier class of each sample, for temperature 2; else states.
  looked_up_teacher(const limbeck::bert_classifier& model, limbeck::view<const float, 1> weights,
                    const limbeck::sample_set& set, bool likeliest)
      : model_(model), weights_(weights), set_(set), likeliest_(likeliest) {}
  [[nodiscard]] limbeck::signal_set holds() const override {
    using namespace limbeck::signal;
    return likeliest_ ? logits : hidden | embeddings | queries | keys;
  }
  [[nodiscard]] limbeck::index samples() const override { return set_.size(); }
  [[nodiscard]] limbeck::index heads() const override { return model_.backbone().sizes().heads; }
  [[nodiscard]] limbeck::signals<const float> of(std::span<const std::ptrdiff_t> chosen,
                                                 limbeck::signal_set wanted) override {
    using limbeck::view;
    const limbeck::cpu_executor<> on;
    batch_.fill(set_, chosen);
    const auto all = model_.forward(on, weights_, batch_.tokens(), wanted, limbeck::inference, pass_);
    if (!likeliest_) return all;
    const limbeck::index rows = all.logits.extent(0);
    classes_.resize(chosen.size());
    logits_.resize(chosen.size());
    log_rest_.resize(chosen.size());
    keep_top_k(on, all.logits, 2, view<std::int32_t, 2>(classes_.data(), rows, 1),
               view<float, 2>(logits_.data(), rows, 1), view<float, 1>(log_rest_.data(), rows));
    limbeck::signals<const float> kept{.logits = view<const float, 2>(logits_.data(), rows, 1)};
    kept.kept_classes = view<const std::int32_t, 2>(classes_.data(), rows, 1);
    kept.log_rest = view<const float, 1>(log_rest_.data(), rows);
    return kept;
  }

 private:
  const limbeck::bert_classifier& model_;
  limbeck::view<const float, 1> weights_;
  const limbeck::sample_set& set_;
  limbeck::sample_batch<float> batch_;
  bool likeliest_;
  limbeck::bert_classifier::pass<float> pass_;
  std::vector<std::int32_t> classes_;
  std::vector<float> logits_, log_rest_;
};

/// A distillation of a small classifier, with dropout; a label or two are the teacher's alone.
struct device_run {
  std::vector<std::string> losses{"soft_target_kl:temperature=2", "cross_entropy:weight=linear:1:0.5",
                                  "hidden_mse:projection=linear_bias", "attention_mse"};
  bool kept_logits = false, kept_states = false, kept_likeliest = false;
  limbeck::index accumulate = 1;
  limbeck::index stop_behind = 0;  ///< the evaluation, from 1, in which the run is killed; 0: none
  bool resume = false;

  // What a run leaves here.
  std::vector<float> weights{}, logits{}, best{};
  limbeck::run_result result{};

  [[nodiscard]] static limbeck::transformer_sizes sizes(limbeck::index layers, limbeck::index width) {
    return {.vocabulary = 20, .positions = 12, .types = 2, .layers = layers, .width = width, .heads = 2, .inner = 10};
  }

  /// On the device, or on the host where there is none.
  device_run& operator()(const limbeck::training_device* device, const std::filesystem::path& folder) {
    using namespace limbeck;
    sample_set train = small_samples(8, false);
    train.labels[2] = train.labels[7] = no_label;
    const sample_set dev = small_samples(5, false, 100);
    const bert_classifier student = make_bert_classifier(sizes(2, 6), 2),
                          teacher = make_bert_classifier(sizes(2, 8), 2);
    buffer<float> shown(teacher.parameters().size());
    initialise(teacher.parameters(), 3, shown.all(), 0.4);
    parameter_table table = student.parameters();
    const term_builder builder({losses.begin(), losses.end()},
                               {.student = sizes(2, 6),
                                .teacher = sizes(2, 8),
                                .top_k_temperature = kept_likeliest ? std::optional(2.0) : std::nullopt},
                               table);
    buffer<float> values(table.size()), gradients(table.size());
    initialise(table, 7, values.all(), 0.1);
    const adamw_options how{.epsilon = 1e-4};
    const training_options options{
        .epochs = 2, .batch_size = 4, .accumulate = accumulate, .learning_rate = 1e-2, .seed = 5, .save_every = 0};
    looked_up_teacher kept(teacher, read_only(shown.all()), train, kept_likeliest);
    const cpu_executor<> on;
    const std::vector<float> said = logits_of(on, teacher, read_only(shown.all()), train);
    const auto teach = [&](auto& step) {
      if (kept_logits) step.use_logits(view<const float, 2>(said.data(), train.size(), 2));
      if (kept_states || kept_likeliest) step.use_kept(&kept);
    };
    const auto run = [&](training_engine<sample_set>& engine, const auto& logits_now) {
      console quiet(true);
      trainer<> loop(
          engine, options, folder, {{"seed", 5}},
          [&](view<const float, 1> found) { best.assign(found.data(), found.data() + found.count()); }, quiet);
      struct killed {};
      try {
        result = loop.run(
            train,
            [&] {
              if (stop_behind > 0 && --stop_behind == 0) throw killed{};
              return dev_scores({dev}, 2, logits_now);
            },
            resume);
      } catch (const killed&) {
      }
      const view<const float, 1> last = engine.weights();
      weights.assign(last.data(), last.data() + last.count());
      logits = logits_now(dev);
    };
    if (device != nullptr) {
      const auto task =
          device->begin({student, table, builder, read_only(values.all()), &teacher, read_only(shown.all()), how});
      teach(*task);
      CHECK(furthest(task->teacher_logits(train), said) <= 1e-5);
      run(*task, [&](const sample_set& set) { return task->student_logits(set); });
    } else {
      distiller<bert_classifier, cpu_executor<>, float> step(
          student, {&teacher, read_only(shown.all()), {}},
          builder.build<cpu_executor<>, float>(read_only(values.all()), gradients.all()));
      teach(step);
      step_engine<bert_classifier, cpu_executor<>> engine(on, student, table, values.all(), gradients.all(), step, how);
      run(engine, [&](const sample_set& set) { return logits_of(on, student, read_only(values.all()), set); });
    }
    return *this;
  }

  [[nodiscard]] static double furthest(const std::vector<float>& a, const std::vector<float>& b) {
    if (a.size() != b.size()) return 1e9;
    double gap = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double here = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
      gap = here <= gap ? gap : here;  // a NaN stays
    }
    return gap;
  }
};

/// The numbers of a record's lines of that event under `key`, a number a line.
inline std::vector<double> noted(const std::filesystem::path& folder, const std::string& event, const char* key) {
  std::vector<double> found;
  std::istringstream lines(get(folder / "run.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const auto entry = limbeck::json::parse(line);
    if (entry.at("event") == event) found.push_back(entry.at(key).get<double>());
  }
  return found;
}

/// A run on the device ends where one on the host does, and notes the same on its way.
inline void check_device_run(const limbeck::training_device& device, device_run run) {
  const scratch_folder here, there;
  const device_run want = device_run(run)(nullptr, here.path), got = run(&device, there.path);
  CHECK(device_run::furthest(got.weights, want.weights) <= 3e-4);
  CHECK(device_run::furthest(got.best, want.best) <= 3e-4);
  CHECK(device_run::furthest(got.logits, want.logits) <= 3e-4);
  for (const char* key : {"loss", "gradient_norm"}) {
    const auto mine = noted(there.path, "step", key), theirs = noted(here.path, "step", key);
    REQUIRE(mine.size() == theirs.size());
    for (std::size_t i = 0; i < mine.size(); ++i) CHECK(mine[i] == Approx(theirs[i]).epsilon(1e-3));
  }
}

/// What the trainer does on a device.
inline void check_device_runs(const limbeck::training_device& device) {
  check_device_run(device, {});
  check_device_run(device, {.kept_logits = true, .kept_states = true, .accumulate = 2});
  check_device_run(
      device, {.losses = {"alp_kd:projection=linear", "relational_distance", "relational_angle", "cross_entropy"}});
  check_device_run(device,
                   {.losses = {"dist_kd:beta=0,weight=learned", "cross_entropy:weight=learned", "value_relation"}});
  check_device_run(device,
                   {.losses = {"soft_target_kl:temperature=2", "cross_entropy:weight=0.5"}, .kept_likeliest = true});
}

/// A run that was killed on one goes on with the other.
inline void check_changing_places(const limbeck::training_device& device) {
  const scratch_folder whole;
  const device_run want = device_run()(nullptr, whole.path);
  for (const bool begins_on_device : {false, true}) {
    INFO("begun on " << (begins_on_device ? "the device" : "the host"));
    const scratch_folder folder;
    device_run run{.stop_behind = 1};
    run(begins_on_device ? &device : nullptr, folder.path);
    CHECK(device_run::furthest(run.weights, want.weights) > 1e-3);
    run.stop_behind = 0;
    run.resume = true;
    run(begins_on_device ? nullptr : &device, folder.path);
    CHECK(device_run::furthest(run.weights, want.weights) <= 3e-4);
    CHECK(noted(folder.path, "step", "loss").size() == noted(whole.path, "step", "loss").size());
  }
}

}  // namespace limbeck_test
