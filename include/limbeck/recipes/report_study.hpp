// The report of a study: what its summary says, as plots of dots and intervals and as tables.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "limbeck/io/json.hpp"
#include "limbeck/io/run_record.hpp"
#include "limbeck/recipes/report_chart.hpp"
#include "limbeck/recipes/report_page.hpp"
#include "limbeck/recipes/report_scores.hpp"
#include "limbeck/recipes/report_text.hpp"

namespace limbeck::report {

/// What summary.json and cells.jsonl of a study's folder say.
struct study_story {
  std::string name;
  json_value summary;
  std::vector<json_value> cells{};
};
[[nodiscard]] inline study_story read_study_story(const std::filesystem::path& folder) {
  study_story story{std::filesystem::weakly_canonical(folder).filename().string(), read_json(folder / "summary.json")};
  std::error_code none;
  if (std::filesystem::exists(folder / "cells.jsonl", none)) story.cells = read_run_record(folder / "cells.jsonl");
  return story;
}

/// A mean or difference with its interval, as a line of a plot.
struct plotted_estimate {
  std::string label;
  json_value from;               ///< n, mean, deviation, low, high, detectable
  std::vector<double> single{};  ///< the numbers that it is the mean of

  [[nodiscard]] double number(const char* key) const { return from.optional(key, estimated::none); }
};

/// Dots and 95 % intervals below each other, each under its label; the mean of single numbers over them in faint dots.
/// `zero`: whether 0 means something, as it does for differences.
[[nodiscard]] inline std::string plot_of(std::string_view heading, const std::vector<plotted_estimate>& rows,
                                         const std::string& of, bool zero) {
  double low = zero ? 0 : estimated::none, high = low;
  const auto widen = [&](double x) {
    low = std::fmin(low, x);
    high = std::fmax(high, x);
  };
  for (const plotted_estimate& row : rows) {
    for (const char* key : {"mean", "low", "high"}) widen(row.number(key));
    for (const double x : row.single) widen(x);
  }
  if (std::isnan(low)) low = 0, high = 1;
  const double side = std::max((high - low) * 0.04, 1e-9 * std::abs(high));
  constexpr double row_height = 34;
  chart drawn(heading, heading, straight_axis(low - side, high + side), axis{0, static_cast<double>(rows.size())},
              {of, ""}, 48 + row_height * static_cast<double>(rows.size()));
  if (zero) drawn.mark(0);
  std::vector<std::vector<cell>> table_rows;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const plotted_estimate& row = rows[i];
    const double y = static_cast<double>(rows.size() - i) - 0.7;
    drawn.text(drawn.left(), drawn.at_y(y + 0.4), fitted(row.label, drawing::width - 2 * drawn.left()), "start");
    for (const double x : row.single) drawn.dot(drawn.at_x(x), drawn.at_y(y - 0.16), 2.5, "dot faint c7", brief(x));
    const estimated e{row.number("mean"), row.number("low"), row.number("high")};
    if (!std::isnan(e.value)) drawn.across(e.value, y, e.low, e.high, "c0", row.label + ": " + e.text());
    table_rows.push_back({words(row.label), number(row.number("n")), number(e.value), number(row.number("deviation")),
                          number(e.low), number(e.high), number(row.number("detectable"))});
    if (row.from.has("verdict")) table_rows.back().push_back(words(row.from.required<std::string>("verdict")));
  }
  std::vector<std::string> heads{"", "n", of, "deviation", "95 % from", "to", "smallest detectable"};
  if (!rows.empty() && rows.front().from.has("verdict")) heads.emplace_back("verdict");
  return figure(heading, drawn.str(), "", table(heading, heads, table_rows));
}

/// Says of a cell's levels what the summary's means say: those that are not the base's.
class levels_of_study {
 public:
  explicit levels_of_study(const json_value& summary) {
    for (const json_value& d : summary.at("differences").elements()) {
      const auto factor = d.required<std::string>("factor");
      if (std::ranges::find(bases_, factor, &std::pair<std::string, std::string>::first) == bases_.end())
        bases_.emplace_back(factor, d.required<std::string>("than"));
    }
  }
  [[nodiscard]] std::string text(const json_value& levels) const {
    std::string out;
    for (const auto& [factor, base] : bases_)
      if (const auto level = levels.optional<std::string>(factor, base); level != base)
        out += (out.empty() ? "" : ", ") + factor + " = " + level;
    return out.empty() ? "base" : out;
  }

 private:
  std::vector<std::pair<std::string, std::string>> bases_;  // of each factor, in the plan's order
};

/// The means of each task, with the single cells.
[[nodiscard]] inline std::string means_section(const study_story& study) {
  const json_value metrics = study.summary.at("metrics");
  const levels_of_study levels(study.summary);
  std::map<std::string, std::vector<plotted_estimate>> of_task;
  for (const json_value& m : study.summary.at("means").elements())
    of_task[m.required<std::string>("task")].push_back({m.required<std::string>("levels"), m});
  for (const json_value& c : study.cells) {
    const auto task = c.required<std::string>("task"), label = levels.text(c.at("levels"));
    const double value = c.at("result").optional(metrics.optional<std::string>(task, ""), estimated::none);
    for (plotted_estimate& row : of_task[task])
      if (row.label == label && !std::isnan(value)) row.single.push_back(value);
  }
  std::string figures;
  for (const auto& [task, rows] : of_task)
    figures += plot_of(task, rows, metrics.optional<std::string>(task, "value"), false);
  return section("Means",
                 "Each combination of levels over its seeds: the mean with its 95 % interval by Student's t; faint "
                 "dots: single runs.",
                 figures);
}

/// The differences of a factor's levels from its base, and the claims.
[[nodiscard]] inline std::string differences_section(const study_story& study) {
  std::vector<std::pair<std::string, std::vector<plotted_estimate>>> of_factor;
  for (const json_value& d : study.summary.at("differences").elements()) {
    const auto factor = d.required<std::string>("factor");
    if (of_factor.empty() || of_factor.back().first != factor) of_factor.push_back({factor, {}});
    of_factor.back().second.push_back({d.required<std::string>("level") + " less " + d.required<std::string>("than") +
                                           ", " + d.optional<std::string>("task", "all tasks"),
                                       d});
  }
  std::string figures;
  for (const auto& [factor, rows] : of_factor) figures += plot_of(factor, rows, "difference", true);
  return section(
      "Differences",
      "Paired by seed, with 95 % intervals; above 0 the level is better than the base. The tables name the smallest "
      "true difference that so many pairs would have shown in 80 of 100 studies.",
      figures);
}

[[nodiscard]] inline std::string claims_section(const study_story& study) {
  std::vector<std::vector<cell>> rows;
  for (const json_value& c : study.summary.at("claims").elements()) {
    const auto at = [&](const char* key) { return number(c.optional(key, estimated::none)); };
    rows.push_back({words(c.required<std::string>("says")), words(c.required<std::string>("claim")),
                    words(c.optional<std::string>("task", "all")), at("n"), at("mean"), at("low"), at("high"),
                    at("detectable"), words(c.required<std::string>("verdict"))});
  }
  if (rows.empty()) return "";
  return section(
      "Claims", "A claim is confirmed, or refuted, where the whole 95 % interval of its difference says so.",
      table("claims",
            {"claim", "that is", "task", "n", "difference", "95 % from", "to", "smallest detectable", "verdict"}, rows),
      "wide");
}

/// The page of a study.
[[nodiscard]] inline std::string study_page(const study_story& study) {
  const json_value& s = study.summary;
  const auto name = s.optional<std::string>("name", study.name), question = s.optional<std::string>("question", "");
  const json_value cells = s.at("cells");
  const std::string body = "<h1>" + escaped(name) + "</h1>\n<p>" + escaped(question) + "</p>\n<p>" +
                           grouped(cells.required<double>("finished")) + " of " +
                           grouped(cells.required<double>("planned")) + " cells are finished.</p>\n" +
                           claims_section(study) + differences_section(study) + means_section(study);
  return page(name + " – limbeck", body, {{"name", study.name}, {"summary", s.raw()}});
}

}  // namespace limbeck::report
