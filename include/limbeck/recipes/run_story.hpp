// A run as its record tells it, gathered for a report.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/io/run_record.hpp"
#include "limbeck/recipes/report_series.hpp"

namespace limbeck::report {

/// A setting as it is shown: a text as it is, anything else as JSON.
[[nodiscard]] inline std::string setting_text(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string all;
  for (const json& each : value) all += (all.empty() ? "" : "\n") + setting_text(each);
  return all;
}

/// What run.jsonl and speed.json of a folder say. A record may lack anything: of a run that is under way, or of another
/// release.
struct run_story {
  std::string name;                                ///< of the folder
  std::optional<json_value> settings, final, end;  ///< of the lines `start`, `final` and `end`
  std::vector<json_value> evaluations, shares;     ///< the lines `evaluation` and `gradient_shares`
  std::vector<std::int64_t> steps;                 ///< of the lines `step`, of which the rest has a number each
  std::vector<std::int64_t> epochs;
  std::vector<series> terms;  ///< sorted by name
  series loss{"loss", {}}, rate{"learning rate", {}}, norm{"norm of the gradient", {}};
  /// Of the teacher's shares of samples, where terms share them; empty: they do not.
  series share_mean{"mean share", {}},
      share_quartiles[3]{{"lower quartile", {}}, {"median", {}}, {"upper quartile", {}}};
  std::optional<json_value> speed;

  /// Empty where the run has no such setting.
  [[nodiscard]] std::string setting(const char* key) const {
    return settings && settings->has(key) ? setting_text(settings->at(key).raw()) : "";
  }
  [[nodiscard]] bool complete() const { return end.has_value(); }
  /// A model that nobody teaches is no student.
  [[nodiscard]] bool taught() const { return !setting("teacher").empty(); }
  [[nodiscard]] std::string trained() const { return taught() ? "student" : "model"; }
};

/// Gathers a story line by line.
class story_reader {
 public:
  explicit story_reader(std::string name) { story_.name = std::move(name); }

  /// Throws file_error for a line that is not as the format says. Lines of events that it does not know are passed
  /// over.
  void add(const json_value& line) {
    const auto event = line.optional<std::string>("event", "");
    if (event == "step") add_step(line);
    if (event == "start") story_.settings = line.at("settings");
    if (event == "evaluation") story_.evaluations.push_back(line);
    if (event == "gradient_shares") story_.shares.push_back(line);
    if (event == "final") story_.final = line;
    if (event == "end") story_.end = line;
  }
  [[nodiscard]] run_story take() {
    for (auto& [name, values] : terms_) {
      values.resize(story_.steps.size(), none);
      story_.terms.push_back({name, std::move(values)});
    }
    if (!story_.share_mean.values.empty()) {
      story_.share_mean.values.resize(story_.steps.size(), none);
      for (series& q : story_.share_quartiles) q.values.resize(story_.steps.size(), none);
    }
    return std::move(story_);
  }

 private:
  static constexpr double none = std::numeric_limits<double>::quiet_NaN();

  void add_step(const json_value& line) {
    for (const auto& [name, value] : line.at("terms").members()) {
      std::vector<double>& values = terms_[name];
      values.resize(story_.steps.size(), none);  // it was not there before
      values.push_back(value.raw().is_null() ? none : value.as<double>());
    }
    story_.steps.push_back(line.required<std::int64_t>("step"));
    story_.epochs.push_back(line.optional<std::int64_t>("epoch", 0));
    story_.loss.values.push_back(line.optional<double>("loss", none));
    story_.rate.values.push_back(line.optional<double>("learning_rate", none));
    story_.norm.values.push_back(line.optional<double>("gradient_norm", none));
    for (auto& [name, values] : terms_) values.resize(story_.steps.size(), none);
    if (line.has("sample_shares")) add_shares(line.at("sample_shares"));
  }
  void add_shares(const json_value& shares) {
    const auto quartiles = shares.required<std::vector<double>>("quartiles");
    if (quartiles.size() != 3)
      shares.at("quartiles").refuse("has " + std::to_string(quartiles.size()) + " numbers, expected 3");
    const auto add = [&](series& to, double value) {
      to.values.resize(story_.steps.size() - 1, none);
      to.values.push_back(value);
    };
    add(story_.share_mean, shares.required<double>("mean"));
    for (std::size_t q = 0; q < 3; ++q) add(story_.share_quartiles[q], quartiles[q]);
  }

  run_story story_;
  std::map<std::string, std::vector<double>> terms_;
};

/// Reads a run's folder. Throws file_error, naming file and line, for a record that is not as the format says.
[[nodiscard]] inline run_story read_story(const std::filesystem::path& folder) {
  story_reader reader(std::filesystem::weakly_canonical(folder).filename().string());
  limbeck::detail::visit_run_record(folder / "run.jsonl",
                                    [&](std::string_view, const json_value& line) { reader.add(line); });
  run_story story = reader.take();
  std::error_code none;
  if (std::filesystem::exists(folder / "speed.json", none)) story.speed = read_json(folder / "speed.json");
  return story;
}

}  // namespace limbeck::report
