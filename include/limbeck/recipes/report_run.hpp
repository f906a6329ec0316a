// The report of a run: a page of what its record tells.
#pragma once

#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/recipes/report_layers.hpp"
#include "limbeck/recipes/report_objective.hpp"
#include "limbeck/recipes/report_page.hpp"
#include "limbeck/recipes/report_scores.hpp"
#include "limbeck/recipes/report_text.hpp"
#include "limbeck/recipes/run_story.hpp"

namespace limbeck::report {

/// A number of student or teacher where the record or speed.json has it.
[[nodiscard]] inline std::optional<double> number_of(const std::optional<json_value>& from, const char* who,
                                                     const char* what) {
  if (!from || !from->has(who) || !from->at(who).has(what)) return std::nullopt;
  return from->at(who).required<double>(what);
}
[[nodiscard]] inline std::optional<json_value> models_of(const run_story& run) {
  if (!run.final || !run.final->has("models")) return std::nullopt;
  return run.final->at("models");
}

/// The numbers that matter most.
[[nodiscard]] inline std::string tiles(const run_story& run) {
  std::string out;
  if (run.final && run.final->has("dev")) {
    const json_value dev = run.final->at("dev");
    for (const auto& [metric, value] : dev.at("student").members()) {
      const estimated mine = estimated_of(value);
      std::string more = mine.range();
      if (dev.has("teacher")) more += ", teacher " + brief(estimated_of(dev.at("teacher").at(metric)).value);
      out += tile(metric, brief(mine.value), more);
    }
  }
  if (run.final && run.final->has("agreement")) {
    const estimated both = estimated_of(run.final->at("agreement"));
    out += tile("agreement with the teacher", brief(both.value), both.range());
  }
  const auto against = [&](const std::optional<json_value>& from, const char* what, const char* heading, bool less) {
    const auto mine = number_of(from, "student", what), theirs = number_of(from, "teacher", what);
    if (!mine) return;
    std::string more;
    if (theirs && *mine > 0 && *theirs > 0)
      more = less ? times(*theirs / *mine) + " fewer than the teacher" : times(*mine / *theirs) + " the teacher's";
    out += tile(heading, brief(*mine), more);
  };
  against(models_of(run), "parameters", "parameters", true);
  against(run.speed, "samples_per_second", "samples a second", false);
  return out.empty() ? "" : "<div class=\"tiles\">" + out + "</div>\n";
}

/// Student beside teacher.
[[nodiscard]] inline std::string sizes_section(const run_story& run) {
  const auto models = models_of(run);
  if (!models) return "";
  const bool taught = models->has("teacher");
  std::vector<std::vector<cell>> rows;
  const auto add = [&](const char* name, const std::optional<json_value>& from, const char* what) {
    const auto mine = number_of(from, "student", what), theirs = number_of(from, "teacher", what);
    if (!mine) return;
    const auto shown = [](double x) { return x == std::floor(x) ? whole(x) : number(x); };
    rows.push_back({words(name), shown(*mine)});
    if (!taught) return;
    rows.back().push_back(theirs ? shown(*theirs) : words("–"));
    rows.back().push_back(theirs && *theirs > 0 ? number(*mine / *theirs) : words("–"));
  };
  for (const char* what : {"layers", "width", "heads", "inner", "parameters"}) add(what, models, what);
  add("bytes of weights", models, "bytes");
  add("samples a second", run.speed, "samples_per_second");
  std::vector<std::string> heads{"", run.trained()};
  if (taught) heads.insert(heads.end(), {"teacher", "student / teacher"});
  return section(
      "Sizes and speeds",
      run.speed && run.speed->has("student")
          ? "Samples a second are those of tokenised dev samples through the forward pass, on the machine of the run."
          : "",

      table("sizes", heads, rows), "wide");
}

[[nodiscard]] inline std::string settings_section(const run_story& run) {
  std::vector<std::vector<cell>> rows;
  const auto add = [&](const std::string& name, const std::string& value) {
    rows.push_back({words(name), words(value)});
  };
  if (run.settings)
    for (const auto& [name, value] : run.settings->members())
      if (const std::string text = setting_text(value.raw()); !text.empty()) add(name, text);
  if (const auto models = models_of(run))
    for (const auto& [key, model] : models->members()) {
      const std::string who = key == "student" ? run.trained() : key;
      add(who + ": hash of configuration and weights", model.required<std::string>("model"));
      add(who + ": hash of the vocabulary", model.required<std::string>("vocabulary"));
    }
  if (run.final && run.final->has("limbeck")) add("limbeck", run.final->required<std::string>("limbeck"));
  if (run.speed)
    for (const auto& [name, value] : run.speed->members())
      if (!value.raw().is_object()) add(name, setting_text(value.raw()));
  if (rows.empty()) return "";
  return section("Settings and hashes", "What a resumed run must repeat, and what it made.",
                 table("settings", {"setting", "value"}, rows), "wide settings");
}

/// What a run did, in a sentence.
[[nodiscard]] inline std::string course_text(const run_story& run) {
  const evaluation_axis along(run);
  const std::string judged = run.setting("verb") == "pretrain" ? "held-out text" : "dev";
  std::string text;
  const auto add = [&](const char* before, const std::string& said) { text += said.empty() ? "" : before + said; };
  add("", run.setting("verb"));
  add(" on ", run.setting("task"));
  add(", teacher ", run.setting("teacher"));
  add(run.taught() ? ", student " : ", from ", run.setting("student"));
  const std::string updates = grouped(static_cast<double>(run.steps.size())) + " updates";
  if (run.complete())
    text += ". Complete after " + updates + "; the state shown is that " +
            (run.final && run.final->optional<std::string>("state", "") == "last"
                 ? "of its end."
                 : "of " + grouped(along.best()) + " " + along.what() + ", the best on " + judged + ".");
  else
    text += ". Not complete: " + updates + " so far.";
  return text;
}

/// What programs may want of the page: the lines of the record, its steps in the stretches that are drawn.
[[nodiscard]] inline json page_data(const run_story& run) {
  const auto raw = [](const std::optional<json_value>& value) { return value ? value->raw() : json(); };
  const auto lines = [](const std::vector<json_value>& all) {
    json out = json::array();
    for (const json_value& line : all) out.push_back(line.raw());
    return out;
  };
  json data{{"name", run.name},
            {"settings", raw(run.settings)},
            {"evaluations", lines(run.evaluations)},
            {"gradient_shares", lines(run.shares)},
            {"final", raw(run.final)},
            {"end", raw(run.end)},
            {"speed", raw(run.speed)},
            {"updates", run.steps.size()}};
  const auto course = [&](const series& s) {
    json out = json::array();
    for (const stretch& each : in_stretches(run.steps, s.values))
      out.push_back({each.first, each.last, each.mean, each.lowest, each.highest});
    return out;
  };
  for (const series& s : run.terms) data["terms"][s.name] = course(s);
  data["loss"] = course(run.loss);
  return data;
}

/// The page of a run.
[[nodiscard]] inline std::string run_page(const run_story& run) {
  const std::string body = "<h1>" + escaped(run.name) + "</h1>\n<p>" + escaped(course_text(run)) + "</p>\n" +
                           tiles(run) + scores_section(run) + objective_section(run) + sample_shares_section(run) +
                           gradient_section(run) + layers_section(run) + sizes_section(run) + settings_section(run);
  return page(run.name + " – limbeck", body, page_data(run));
}

}  // namespace limbeck::report
