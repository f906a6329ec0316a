// How good a run's student is, in figures: dev scores with intervals, agreement with the teacher, calibration.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/recipes/report_chart.hpp"
#include "limbeck/recipes/report_page.hpp"
#include "limbeck/recipes/report_text.hpp"
#include "limbeck/recipes/run_story.hpp"

namespace limbeck::report {

/// A value and its 95 % interval; NaN where the record has none.
struct estimated {
  static constexpr double none = std::numeric_limits<double>::quiet_NaN();
  double value = none, low = none, high = none;

  [[nodiscard]] bool bounded() const { return low <= high; }
  [[nodiscard]] std::string range() const { return bounded() ? "95 %: " + brief(low) + " to " + brief(high) : ""; }
  [[nodiscard]] std::string text() const {
    return brief(value) + (bounded() ? " (" + brief(low) + " to " + brief(high) + ")" : "");
  }
};
[[nodiscard]] inline estimated estimated_of(const json_value& from) {
  return {from.optional("value", estimated::none), from.optional("low", estimated::none),
          from.optional("high", estimated::none)};
}
[[nodiscard]] inline std::vector<cell> cells_of(std::string_view name, const estimated& e) {
  return {words(name), number(e.value), number(e.low), number(e.high)};
}

/// When a run was evaluated: after each epoch or, where that is not so, after so many updates.
class evaluation_axis {
 public:
  explicit evaluation_axis(const run_story& run) {
    for (const char* counted : {"steps", "evaluate-every"})
      if (run.settings && run.settings->optional(counted, 0.0) > 0) by_epoch_ = false;
    for (const json_value& line : run.evaluations) {
      const auto number = static_cast<double>(at_.size());
      at_.push_back(1 + (by_epoch_ ? number : line.optional("step", number)));
      if (line.optional("best", false)) best_ = at_.back();
    }
  }
  [[nodiscard]] std::string what() const { return by_epoch_ ? "epochs done" : "updates done"; }
  [[nodiscard]] double at(std::size_t evaluation) const { return at_[evaluation]; }
  /// When the state was reached that the run kept; 0: none was the best.
  [[nodiscard]] double best() const { return best_; }
  [[nodiscard]] axis drawn() const {
    return by_epoch_ ? counting_axis(at_.size()) : straight_axis(0, 1.03 * at_.back());
  }

 private:
  std::vector<double> at_;
  double best_ = 0;
  bool by_epoch_ = true;
};

/// One metric of one dev set, `dev` or `dev_1`, `dev_2`, ..., at every evaluation, and the teacher's (value NaN: none).
[[nodiscard]] inline std::string metric_figure(const run_story& run, const std::string& dev, const std::string& metric,
                                               const estimated& teacher) {
  const std::string intervals = dev.starts_with("dev") ? "interval" + dev.substr(3) : "",
                    heading = metric + (dev == "dev" ? "" : " on " + dev);
  const evaluation_axis along(run);
  std::vector<estimated> found;
  double low = std::fmin(teacher.value, teacher.low), high = std::fmax(teacher.value, teacher.high);
  for (const json_value& line : run.evaluations) {
    estimated e{line.at(dev).optional(metric, estimated::none)};
    if (line.has(intervals) && line.at(intervals).has(metric)) {
      const auto ends = line.at(intervals).required<std::vector<double>>(metric);
      if (ends.size() == 2) e = {e.value, ends[0], ends[1]};
    }
    low = std::fmin(low, std::fmin(e.value, e.low));
    high = std::fmax(high, std::fmax(e.value, e.high));
    found.push_back(e);
  }
  if (std::isnan(low)) low = 0, high = 1;
  chart drawn(heading, heading + " by " + along.what(), along.drawn(), rounded_axis(low, high), {along.what(), metric},
              210);
  if (!std::isnan(teacher.value)) drawn.level(teacher.value, teacher.low, teacher.high, "c1");
  std::vector<std::vector<cell>> rows;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const estimated& e = found[i];
    if (!std::isnan(e.value))
      drawn.estimate(along.at(i), e.value, e.low, e.high, "c0",
                     along.what() + ": " + grouped(along.at(i)) + "; " + e.text());
    rows.push_back(cells_of(grouped(along.at(i)), e));
  }
  if (!std::isnan(teacher.value)) rows.push_back(cells_of("teacher", teacher));
  return figure(heading, drawn.str(), std::isnan(teacher.value) ? "" : legend({{"c0", "student"}, {"c1", "teacher"}}),
                table(heading, {along.what(), metric, "95 % from", "to"}, rows));
}

/// How often both models say the same, and which is right where they do not.
[[nodiscard]] inline std::string agreement_figure(const json_value& agreement) {
  const estimated share = estimated_of(agreement);
  const std::string what = "Agreement with the teacher: " + share.text();
  std::vector<std::vector<cell>> rows{cells_of("agreement", share)};
  if (!agreement.has("both_right"))
    return figure(what, "", "The correlation of the scores.",
                  table("agreement", {"", "value", "95 % from", "to"}, rows));
  constexpr const char* keys[]{"both_right", "student_alone", "teacher_alone", "both_wrong"};
  constexpr const char* names[]{"both right", "student alone right", "teacher alone right", "both wrong"};
  double samples = 0, done = 0;
  for (const char* key : keys) samples += agreement.required<double>(key);
  samples = std::max(samples, 1.0);
  drawing drawn("agreement", what, 44);
  std::vector<std::pair<std::string, std::string>> kinds;
  constexpr const char* colours[]{"c2", "c0", "c1", "c7"};
  for (std::size_t k = 0; k < 4; ++k) {
    const auto count = agreement.required<double>(keys[k]);
    drawn.box(6 + 328 * done / samples, 8, 328 * count / samples, 28, std::string("bar ") + colours[k],
              std::string(names[k]) + ": " + grouped(count));
    kinds.emplace_back(colours[k], std::string(names[k]) + ": " + grouped(count));
    rows.push_back({words(names[k]), whole(count)});
    done += count;
  }
  return figure(what, drawn.str(), legend(kinds), table("agreement", {"", "value", "95 % from", "to"}, rows));
}

/// Accuracy against confidence, and how many samples each confidence has, of one or both models.
class calibration_figures {
 public:
  /// `trained`: what the model that was trained is called.
  calibration_figures(const json_value& of, const std::string& trained) {
    for (const auto& [who, said] : of.members())
      models_.push_back({who == "student" ? trained : who, said.required<double>("error"), said.at("bins").elements()});
  }

  [[nodiscard]] std::string str() const {
    double low = 1;
    for (const model& m : models_)
      for (std::size_t b = 0; b < m.bins.size(); ++b)
        if (m.bins[b].required<double>("count") > 0)
          low = std::min(low, static_cast<double>(b) / static_cast<double>(m.bins.size()));
    return accuracies(low) + counts(low);
  }

 private:
  struct model {
    std::string name;
    double error;
    std::vector<json_value> bins;
  };

  [[nodiscard]] std::string accuracies(double low) const {
    chart drawn("calibration", "Accuracy against confidence", straight_axis(low, 1, 5), straight_axis(0, 1, 5),
                {"confidence", "accuracy"}, 260);
    drawn.line(drawn.at_x(low), drawn.at_y(low), drawn.at_x(1), drawn.at_y(1), "course dashed c7");
    std::vector<std::vector<cell>> rows;
    std::vector<std::pair<std::string, std::string>> kinds;
    for (std::size_t m = 0; m < models_.size(); ++m) {
      double most = 1;
      for (const json_value& bin : models_[m].bins) most = std::max(most, bin.required<double>("count"));
      std::vector<stretch> line;
      for (const json_value& bin : models_[m].bins) {
        const auto count = bin.required<double>("count"), sure = bin.required<double>("confidence"),
                   right = bin.required<double>("accuracy");
        if (count == 0) continue;
        line.push_back({sure, sure, right, right, right});
        drawn.dot(drawn.at_x(sure), drawn.at_y(right), 2 + 6 * std::sqrt(count / most), "dot " + colour(m),
                  models_[m].name + ": " + grouped(count) + " samples, confidence " + brief(sure) + ", accuracy " +
                      brief(right));
        rows.push_back({words(models_[m].name), whole(count), number(sure), number(right)});
      }
      drawn.course(line, colour(m));
      kinds.emplace_back(colour(m), models_[m].name + ": error " + brief(models_[m].error));
    }
    return figure("Calibration", drawn.str(), legend(kinds),
                  table("calibration", {"model", "samples", "confidence", "accuracy"}, rows));
  }

  [[nodiscard]] std::string counts(double low) const {
    double most = 1;
    for (const model& m : models_)
      for (const json_value& bin : m.bins) most = std::max(most, bin.required<double>("count"));
    chart drawn("confidence", "Samples by confidence", straight_axis(low, 1), rounded_axis(0, most),
                {"confidence", "samples"}, 160);
    for (std::size_t m = 0; m < models_.size(); ++m) {
      const auto bins = static_cast<double>(models_[m].bins.size()), share = static_cast<double>(models_.size());
      for (std::size_t b = 0; b < models_[m].bins.size(); ++b) {
        const auto count = models_[m].bins[b].required<double>("count");
        if (count == 0) continue;
        const double left = drawn.at_x((static_cast<double>(b) + 0.05) / bins),
                     right = drawn.at_x((static_cast<double>(b) + 0.95) / bins), wide = (right - left) / share;
        drawn.box(left + wide * static_cast<double>(m), drawn.at_y(count), wide, drawn.at_y(0) - drawn.at_y(count),
                  "bar " + colour(m), models_[m].name + ": " + grouped(count) + " samples");
      }
    }
    return figure("Samples by confidence", drawn.str(), "");
  }

  std::vector<model> models_;
};

[[nodiscard]] inline std::string scores_section(const run_story& run) {
  std::string figures;
  if (!run.evaluations.empty())
    for (const auto& [dev, metrics] : run.evaluations.front().members()) {
      if (!dev.starts_with("dev") && dev != "held_out") continue;
      const bool first = dev == "dev" || dev == "dev_1";
      for (const auto& [metric, value] : metrics.members()) {
        const bool known = first && run.final && run.final->has("dev") && run.final->at("dev").has("teacher") &&
                           run.final->at("dev").at("teacher").has(metric);
        figures += metric_figure(run, dev, metric,
                                 known ? estimated_of(run.final->at("dev").at("teacher").at(metric)) : estimated{});
      }
    }
  if (run.final && run.final->has("agreement")) figures += agreement_figure(run.final->at("agreement"));
  if (run.final && run.final->has("calibration"))
    figures += calibration_figures(run.final->at("calibration"), run.trained()).str();
  return section("Scores on dev",
                 "Bars and bands are 95 % intervals: Wilson's for shares of samples, else a bootstrap of 1,000 draws. "
                 "They tell what other "
                 "samples of the kind might give, not what other seeds would. A model is calibrated where its dots lie "
                 "on the dashed "
                 "line; larger dots are more samples.",
                 figures);
}

}  // namespace limbeck::report
