// What a complete run is worth: the line `final` of run.jsonl, and speed.json, which tells what differs from run to
// run.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "limbeck/backend/simd_dispatch.hpp"
#include "limbeck/core/version.hpp"
#include "limbeck/io/atomic_file.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/io/run_record.hpp"
#include "limbeck/losses/layer_alikeness.hpp"
#include "limbeck/recipes/classifier.hpp"
#include "limbeck/recipes/masked_text_model.hpp"
#include "limbeck/recipes/teacher_outputs.hpp"
#include "limbeck/training/console.hpp"
#include "limbeck/training/dev_scores.hpp"
#include "limbeck/training/evaluation.hpp"
#include "limbeck/training/intervals.hpp"
#include "limbeck/training/token_states.hpp"

namespace limbeck {

/// The layers that each term compares, by its name in records.
using pairs_of_terms = std::vector<std::pair<std::string, std::vector<layer_pair>>>;

/// What a run leaves of itself beside its models.
struct run_summary {
  metric_values metrics{};  ///< of the student on dev; none where a run trains what dev scores do not show
  std::optional<double> teacher_agreement{};
  json record = json::object();  ///< the line `final` of run.jsonl, less its step
  json speed = json::object();   ///< speed.json
};

namespace detail {

[[nodiscard]] inline json json_of(const std::optional<double>& x) { return x ? json(*x) : json(); }
[[nodiscard]] inline json json_of(const std::optional<double>& value,
                                  const std::optional<confidence_interval>& around) {
  json out{{"value", json_of(value)}, {"low", json()}, {"high", json()}};
  if (around) out.update({{"low", around->low}, {"high", around->high}});
  return out;
}

/// Every metric of a task with its interval.
[[nodiscard]] inline json scores_json(const std::vector<std::string>& metrics, const judged_samples& judged) {
  json out = json::object();
  for (const auto& [name, interval] : intervals_of(metrics, judged))
    out[name] = json_of(metric_of(name, judged), interval);
  return out;
}

/// How often two models say the same: the share of samples to which both give one class, and which of them are right;
/// for regressions Pearson's correlation.
[[nodiscard]] inline json agreement_json(const judged_samples& student, const judged_samples& teacher) {
  if (student.labels.empty()) {
    const judged_samples both{{}, {}, teacher.given, student.given};
    return json_of(metric_of("pearson", both), intervals_of({"pearson"}, both).front().second);
  }
  const judged_samples both{teacher.predicted, student.predicted, {}, {}};
  json out = json_of(metric_of("accuracy", both), intervals_of({"accuracy"}, both).front().second);
  index right[2][2]{};  // [student][teacher]
  for (std::size_t i = 0; i < student.labels.size(); ++i)
    ++right[student.predicted[i] == student.labels[i]][teacher.predicted[i] == student.labels[i]];
  out.update({{"both_right", right[1][1]},
              {"student_alone", right[1][0]},
              {"teacher_alone", right[0][1]},
              {"both_wrong", right[0][0]}});
  return out;
}

[[nodiscard]] inline json calibration_json(const std::vector<confidence_bin>& bins) {
  json out{{"error", calibration_error(bins)}, {"bins", json::array()}};
  for (const confidence_bin& b : bins) {
    const auto count = static_cast<double>(b.count);
    out["bins"].push_back(
        {{"count", b.count}, {"confidence", ratio(b.confidence, count)}, {"accuracy", ratio(b.right, count)}});
  }
  return out;
}

/// How alike each student layer is to each teacher layer on dev, and which the terms compare.
template <launchable E>
[[nodiscard]] json layers_json(const E& on, const text_classifier& student, const text_classifier& teacher,
                               const sample_set& dev, const pairs_of_terms& pairs) {
  constexpr index tokens = 512;
  const std::vector<drawn_token> drawn = draw_tokens(dev, tokens);
  const token_states<float> mine(on, student.model, student.parameters(), dev, drawn),
      theirs(on, teacher.model, teacher.parameters(), dev, drawn);
  const layer_table alike = layer_alikeness(mine.look(), theirs.look(), tokens);
  json out{{"tokens", tokens}, {"alikeness", json::array()}, {"pairs", json::object()}};
  for (std::size_t m = 0; m < alike.size().student; ++m) {
    json row = json::array();
    for (std::size_t n = 0; n < alike.size().teacher; ++n) row.push_back(alike(m, n));
    out["alikeness"].push_back(std::move(row));
  }
  for (const auto& [term, compared] : pairs)
    for (const layer_pair& p : compared)
      out["pairs"][term].push_back({{"student", p.student}, {"teacher", p.teacher}, {"weight", p.weight}});
  return out;
}

/// A model's sizes, and by what stores of a teacher know it and its words. `config`: the text of its config.json.
template <class Model>
[[nodiscard]] json model_json(const Model& m, const std::string& config, const vocabulary& words) {
  const transformer_sizes& sizes = m.config.sizes;
  const index parameters = m.model.parameters().size();
  return {{"layers", sizes.layers},
          {"width", sizes.width},
          {"heads", sizes.heads},
          {"inner", sizes.inner},
          {"parameters", parameters},
          {"bytes", parameters * static_cast<index>(sizeof(float))},
          {"model", hash_of_model(m.parameters(), config)},
          {"vocabulary", hash_of_vocabulary(words)}};
}
[[nodiscard]] inline json model_json(const text_classifier& m) {
  return model_json(m, config_text(m.config), m.pieces.pieces());
}
[[nodiscard]] inline json model_json(const masked_text_model& m) {
  return model_json(m, masked_config_text(m.config), m.pieces);
}

/// The line `final` of a run, as far as it speaks of models alone. `teacher`: null: none.
template <class Model>
[[nodiscard]] json final_line(const Model& student, const Model* teacher, bool best) {
  json line{{"event", "final"}, {"limbeck", version}, {"state", best ? "best" : "last"}};
  line["models"]["student"] = model_json(student);
  if (teacher != nullptr) line["models"]["teacher"] = model_json(*teacher);
  return line;
}

/// Writes speed.json: what is known of a run's speed, and how it trained.
inline void write_speed(const std::filesystem::path& folder, json speed, double seconds_of_training, int threads) {
  speed.update({{"seconds of training", seconds_of_training},
                {"threads", threads},
                {"SIMD level", name_of(active_simd_level())}});
  write_file(folder / "speed.json", speed.dump(2) + "\n");
}

/// What a model says of dev, and how fast it said it.
struct timed_logits {
  std::vector<float> logits;
  double samples_per_second;
};
template <class Ask>
[[nodiscard]] timed_logits timed(const sample_set& dev, const Ask& ask) {
  const auto started = std::chrono::steady_clock::now();
  std::vector<float> logits = ask();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  return {std::move(logits), ratio(static_cast<double>(dev.size()), took.count())};
}

/// What both models say of dev, in numbers that are the same for the same weights.
inline void judge_models(const sample_set& dev, const timed_logits& student, const timed_logits* teacher, index classes,
                         run_summary& out) {
  const judged_samples mine = judge<float>(dev, student.logits, classes);
  out.metrics = metrics_of<float>(dev, student.logits, classes);
  json& record = out.record;
  record["dev"] = {{"samples", dev.size()}, {"student", scores_json(dev.task.metrics, mine)}};
  const auto calibration = [&](const timed_logits& said) {
    return calibration_json(confidence_bins<float>(said.logits, classes, dev.labels));
  };
  if (classes > 1) record["calibration"]["student"] = calibration(student);
  out.speed["student"]["samples_per_second"] = student.samples_per_second;
  if (teacher == nullptr) return;
  const judged_samples theirs = judge<float>(dev, teacher->logits, classes);
  record["dev"]["teacher"] = scores_json(dev.task.metrics, theirs);
  record["agreement"] = agreement_json(mine, theirs);
  out.teacher_agreement = agreement<float>(student.logits, teacher->logits, classes);
  if (classes > 1) record["calibration"]["teacher"] = calibration(*teacher);
  out.speed["teacher"]["samples_per_second"] = teacher->samples_per_second;
}

}  // namespace detail

/// Looks at what a run made, beside its teacher (null: none), on the task's first dev set. `scored`: whether dev scores
/// show what was trained; if not, sizes and layers alone are told.
template <launchable E>
[[nodiscard]] run_summary summarise_run(const E& on, const text_classifier& student, const text_classifier* teacher,
                                        const sample_set& dev, const pairs_of_terms& pairs, bool scored, console& out) {
  run_summary found;
  found.record = detail::final_line(student, teacher, scored);
  if (teacher != nullptr && dev.size() > 0)
    found.record["layers"] = detail::layers_json(on, student, *teacher, dev, pairs);
  if (!scored) return found;
  const auto mine = detail::timed(dev, [&] { return logits_of(on, student.model, student.parameters(), dev); });
  std::optional<detail::timed_logits> theirs;
  if (teacher != nullptr) theirs = detail::timed(dev, [&] { return detail::teacher_logits(on, *teacher, dev, out); });
  detail::judge_models(dev, mine, theirs ? &*theirs : nullptr, student.config.classes, found);
  return found;
}

/// The same for a run that is to be brief: of the student alone, and of its scores on the first of so many dev sets
/// what the run noted when it last had a best state. Throws file_error where run.jsonl of the folder has no such line.
[[nodiscard]] inline run_summary brief_summary(const std::filesystem::path& folder, const text_classifier& student,
                                               const sample_set& dev, std::size_t dev_sets) {
  run_summary found;
  found.record = detail::final_line<text_classifier>(student, nullptr, true);
  const auto file = folder / "run.jsonl";
  std::optional<json_value> best;
  for (const json_value& line : read_run_record(file))
    if (line.optional<std::string>("event", "") == "evaluation" && line.required<bool>("best")) best = line;
  if (!best) throw file_error(file.string(), "", "has no evaluation of a best state");
  const std::string number = ending_of_dev_set(0, dev_sets);
  const json_value values = best->at("dev" + number), intervals = best->at("interval" + number);
  json scores = json::object();
  for (const std::string& name : dev.task.metrics) {
    std::optional<double> value;
    std::optional<confidence_interval> around;
    if (values.has(name)) value = values.required<double>(name);
    if (intervals.has(name)) {
      const auto ends = intervals.required<std::vector<double>>(name);
      around = {ends.front(), ends.back()};
    }
    found.metrics.emplace_back(name, value);
    scores[name] = detail::json_of(value, around);
  }
  found.record["dev"] = {{"samples", dev.size()}, {"student", std::move(scores)}};
  return found;
}

}  // namespace limbeck
