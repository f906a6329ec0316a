// What a run was trained with, in figures: each term over the updates, and its share of the gradient.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/recipes/report_chart.hpp"
#include "limbeck/recipes/report_page.hpp"
#include "limbeck/recipes/report_text.hpp"
#include "limbeck/recipes/run_story.hpp"

namespace limbeck::report {

/// An axis for numbers over a run: by powers where they are positive and differ much.
[[nodiscard]] inline axis axis_of_course(const std::vector<stretch>& all) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const stretch& s : all) {
    if (std::isnan(s.mean)) continue;
    low = std::min(low, s.lowest);
    high = std::max(high, s.highest);
  }
  if (!(low <= high)) return straight_axis(0, 1);
  return low > 0 && high > 50 * low ? power_axis(low, high)
                                    : rounded_axis(std::min(low, low > 0 && low < high / 3 ? 0 : low), high);
}

[[nodiscard]] inline axis axis_of_steps(const run_story& run) {
  return straight_axis(static_cast<double>(run.steps.front()), static_cast<double>(run.steps.back()));
}

/// A number over the run, with a mark where an epoch begins.
[[nodiscard]] inline std::string course_figure(const run_story& run, const series& of, std::string_view kind,
                                               const std::string& what) {
  const std::vector<stretch> all = in_stretches(run.steps, of.values);
  chart drawn(of.name, of.name + " over the run", axis_of_steps(run), axis_of_course(all), {"update", what}, 170);
  if (std::set<std::int64_t>(run.epochs.begin(), run.epochs.end()).size() <= 20)
    for (std::size_t i = 1; i < run.steps.size(); ++i)
      if (run.epochs[i] != run.epochs[i - 1]) drawn.mark(static_cast<double>(run.steps[i]));
  drawn.course(all, kind);
  std::vector<std::vector<cell>> rows;
  for (const stretch& s : all)
    rows.push_back({whole(s.first), whole(s.last), number(s.mean), number(s.lowest), number(s.highest)});
  return figure(of.name, drawn.str(), "", table(of.name, {"from update", "to", "mean", "lowest", "highest"}, rows));
}

[[nodiscard]] inline std::string objective_section(const run_story& run) {
  if (run.steps.empty()) return "";
  std::string figures;
  for (std::size_t t = 0; t < run.terms.size(); ++t)
    figures += course_figure(run, run.terms[t], colour(t), "weighted value");
  if (run.terms.size() > 1) figures += course_figure(run, run.loss, "c7", "sum");
  figures += course_figure(run, run.norm, "c7", "norm") + course_figure(run, run.rate, "c7", "rate");
  return section(
      "Loss terms over the run",
      "Each term with its weight, as the objective adds them up. Lines are means of updates that follow each other, "
      "bands reach from the lowest to the highest of them; dotted marks: a new epoch. The gradient's norm is taken "
      "before clipping.",
      figures);
}

/// How terms share their samples over the run.
[[nodiscard]] inline std::string sample_shares_section(const run_story& run) {
  if (run.share_mean.values.empty()) return "";
  const auto mean = in_stretches(run.steps, run.share_mean.values);
  std::vector<stretch> half = in_stretches(run.steps, run.share_quartiles[1].values);
  const auto lower = in_stretches(run.steps, run.share_quartiles[0].values),
             upper = in_stretches(run.steps, run.share_quartiles[2].values);
  std::vector<std::vector<cell>> rows;
  for (std::size_t i = 0; i < half.size(); ++i) {
    half[i].lowest = lower[i].mean;
    half[i].highest = upper[i].mean;
    rows.push_back({whole(half[i].first), whole(half[i].last), number(mean[i].mean), number(lower[i].mean),
                    number(half[i].mean), number(upper[i].mean)});
  }
  chart drawn("sample shares", "The teacher's share of samples over the run", axis_of_steps(run),
              straight_axis(0, 1, 5), {"update", "teacher's share"}, 200);
  drawn.course(half, "c0");
  return section("Shares of samples",
                 "How much of each sample is learned from the teacher, the rest from its label. Band: half of an "
                 "update's samples lie in it.",
                 figure("The teacher's share", drawn.str(), legend({{"c0", "median, and quartiles around it"}}),
                        table("sample shares",
                              {"from update", "to", "mean", "lower quartile", "median", "upper quartile"}, rows)));
}

/// A place for each moment at which the gradient was taken apart; as many ticks as have room.
[[nodiscard]] inline axis axis_of_moments(const std::vector<json_value>& moments) {
  axis out{0, static_cast<double>(moments.size())};
  const auto text_of = [](const json_value& line) { return grouped(line.required<double>("step")); };
  const auto every =
      static_cast<std::size_t>(std::max(1.0, std::ceil((width_of(text_of(moments.back())) + 8) * out.high / 270)));
  for (std::size_t i = 0; i < moments.size(); i += every)
    out.ticks.push_back({static_cast<double>(i) + 0.5, text_of(moments[i])});
  return out;
}

/// What part of the gradient each term is, at some updates.
[[nodiscard]] inline std::string gradient_section(const run_story& run) {
  if (run.shares.empty()) return "";
  chart drawn("gradient shares", "Share of each term in the sum of the norms of their gradients",
              axis_of_moments(run.shares), axis{0, 1, false, {{0, "0 %"}, {0.5, "50 %"}, {1, "100 %"}}},
              {"update", "share"}, 220);
  const double room = drawn.at_x(1) - drawn.at_x(0), wide = std::min(26.0, 0.8 * room);
  std::map<std::string, std::size_t> numbers;  // of the terms, coloured as in the other figures
  for (const series& term : run.terms) numbers.emplace(term.name, numbers.size());
  std::vector<std::vector<cell>> rows;
  for (std::size_t i = 0; i < run.shares.size(); ++i) {
    const json_value norms = run.shares[i].at("norms");
    double below = 0;
    const json_value shares = run.shares[i].at("shares");
    for (const auto& member : shares.members()) {
      const std::string& name = member.first;
      const double share = shares.optional(name, 0.0);
      const double norm = norms.optional(name, std::numeric_limits<double>::quiet_NaN());
      const std::size_t number_of_term = numbers.emplace(name, numbers.size()).first->second;
      drawn.box(drawn.at_x(static_cast<double>(i) + 0.5) - wide / 2, drawn.at_y(below + share), wide,
                drawn.at_y(below) - drawn.at_y(below + share), "bar " + colour(number_of_term),
                name + ": " + fixed(100 * share, 1) + " %, norm " + brief(norm));
      below += share;
      rows.push_back({whole(run.shares[i].required<double>("step")), words(name), number(norm), number(share)});
    }
  }
  std::vector<std::pair<std::string, std::string>> kinds;
  for (const auto& [name, at] : numbers) kinds.emplace_back(colour(at), name);
  return section(
      "Share of the gradient",
      "The norm of each term's own gradient with respect to the student's weights, over the sum of these norms, at "
      "some "
      "updates of the run. Terms may pull against each other: the sum of the norms is more than the norm of the sum.",
      figure("Share of the sum of gradient norms", drawn.str(), legend(kinds),
             table("gradient shares", {"update", "term", "norm", "share"}, rows)));
}

}  // namespace limbeck::report
