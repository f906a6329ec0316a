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
#include <utility>
#include <vector>

#include "limbeck/io/json.hpp"
#include "limbeck/recipes/report_chart.hpp"
#include "limbeck/recipes/report_page.hpp"
#include "limbeck/recipes/report_scores.hpp"
#include "limbeck/recipes/report_text.hpp"

namespace limbeck::report {

/// What summary.json of a study's folder says.
struct study_story {
  std::string name;
  json_value summary;
};
[[nodiscard]] inline study_story read_study_story(const std::filesystem::path& folder) {
  return {std::filesystem::weakly_canonical(folder).filename().string(), read_json(folder / "summary.json")};
}

/// A mean or difference with its interval, as a line of a plot.
struct plotted_estimate {
  std::string label;
  json_value from;               ///< n, mean, deviation, low, high, detectable
  std::vector<double> single{};  ///< the numbers that it is the mean of

  [[nodiscard]] double number(const char* key) const { return from.optional(key, estimated::none); }
  [[nodiscard]] estimated value() const { return {number("mean"), number("low"), number("high")}; }
};

/// Dots and 95 % intervals below each other, each under its label; the mean of single numbers over them in faint dots.
/// `zero`: whether 0 means something, as it does for differences.
[[nodiscard]] inline std::string drawing_of(std::string_view heading, const std::vector<plotted_estimate>& rows,
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
              {fitted(of, drawing::width), ""}, 48 + row_height * static_cast<double>(rows.size()));
  if (zero) drawn.mark(0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const plotted_estimate& row = rows[i];
    const double y = static_cast<double>(rows.size() - i) - 0.7;
    drawn.text(drawn.left(), drawn.at_y(y + 0.4), fitted(row.label, drawing::width - 2 * drawn.left()), "start");
    for (const double x : row.single) drawn.dot(drawn.at_x(x), drawn.at_y(y - 0.16), 2.5, "dot faint c7", brief(x));
    const estimated e = row.value();
    if (!std::isnan(e.value)) drawn.across(e.value, y, e.low, e.high, "c0", row.label + ": " + e.text());
  }
  return drawn.str();
}

/// The same as a table.
[[nodiscard]] inline std::string table_of(std::string_view heading, const std::vector<plotted_estimate>& rows,
                                          const std::string& of) {
  std::vector<std::vector<cell>> cells;
  for (const plotted_estimate& row : rows) {
    const estimated e = row.value();
    cells.push_back({words(row.label), number(row.number("n")), number(e.value), number(row.number("deviation")),
                     number(e.low), number(e.high), number(row.number("detectable"))});
    if (row.from.has("verdict")) cells.back().push_back(words(row.from.required<std::string>("verdict")));
  }
  std::vector<std::string> heads{"", "n", of, "deviation", "95 % from", "to", "smallest detectable"};
  if (!rows.empty() && rows.front().from.has("verdict")) heads.emplace_back("verdict");
  return table(heading, heads, cells);
}

[[nodiscard]] inline std::string plot_of(std::string_view heading, const std::vector<plotted_estimate>& rows,
                                         const std::string& of, bool zero) {
  return figure(heading, drawing_of(heading, rows, of, zero), "", table_of(heading, rows, of));
}

/// The means of each task, with the single cells.
[[nodiscard]] inline std::string means_section(const study_story& study) {
  const json_value metrics = study.summary.at("metrics");
  std::map<std::string, std::vector<plotted_estimate>> of_task;
  for (const json_value& m : study.summary.at("means").elements()) {
    of_task[m.required<std::string>("task")].push_back(
        {m.required<std::string>("levels"), m, m.optional("single", std::vector<double>())});
  }
  std::string figures;
  for (const auto& [task, rows] : of_task)
    figures += plot_of(task, rows, metrics.optional<std::string>(task, "value"), false);
  return section("Means",
                 "Each combination of levels over its seeds: the mean with its 95 % interval by Student's t; faint "
                 "dots: single runs.",
                 figures);
}

/// The differences of a factor's levels from its base.
struct plotted_factor {
  std::string name, base;
  std::vector<plotted_estimate> rows;

  [[nodiscard]] std::string what() const { return "difference from " + base; }
};
[[nodiscard]] inline std::vector<plotted_factor> factors_of(const study_story& study) {
  std::vector<plotted_factor> all;
  for (const json_value& d : study.summary.at("differences").elements()) {
    const auto factor = d.required<std::string>("factor");
    if (all.empty() || all.back().name != factor) all.push_back({factor, d.required<std::string>("than"), {}});
    all.back().rows.push_back(
        {d.required<std::string>("level") + ": " + d.optional<std::string>("task", "all tasks"), d});
  }
  return all;
}
[[nodiscard]] inline std::string differences_section(const study_story& study) {
  std::string figures;
  for (const plotted_factor& f : factors_of(study)) figures += plot_of(f.name, f.rows, f.what(), true);
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

/// The differences of each factor, in the plan's order, as an image of its own.
[[nodiscard]] inline std::vector<std::string> images_of_differences(const study_story& study) {
  std::vector<std::string> images;
  for (const plotted_factor& f : factors_of(study))
    images.push_back(image(drawing_of(f.name, f.rows, f.name + ": " + f.what(), true)));
  return images;
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
