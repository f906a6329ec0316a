// What the finished cells of a study say: means, differences that are paired by seed, and verdicts on the plan's
// claims.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/recipes/study_cells.hpp"
#include "limbeck/recipes/study_plan.hpp"
#include "limbeck/recipes/study_record.hpp"
#include "limbeck/training/statistics.hpp"

namespace limbeck {

/// One combination of levels on one task, over seeds.
struct study_mean {
  std::string task;
  std::string levels;  ///< those that are not the base's: "loss = cosine"; of the base: "base"
  estimate value;
  std::vector<double> single{};  ///< the numbers that it is the mean of
};
/// How much better a level is than another one of its factor.
struct study_difference {
  std::string factor, level, than;
  std::string task;  ///< empty: over all tasks
  estimate value;    ///< its count is that of pairs
  [[nodiscard]] std::string verdict() const;
};
/// What a step that cells needed reached by the metric of their task, such as a teacher.
struct study_prepared {
  std::string step, task;
  double value;
};
struct study_verdict {
  study_claim claim;
  study_difference difference;
  [[nodiscard]] std::string verdict() const;
};
struct study_summary {
  std::string name, question;
  std::size_t planned = 0, finished = 0;
  std::map<std::string, std::string> metrics;  ///< of each task
  std::vector<study_prepared> steps{};
  std::vector<study_mean> means{};
  std::vector<study_difference> differences{};  ///< of each level to the base: of each task, then over all
  std::vector<study_verdict> verdicts{};
};

/// Better or worse where zero lies outside of the difference's 95 % interval.
[[nodiscard]] inline std::string study_difference::verdict() const {
  const interval likely = value.confidence();
  if (!value.knows_error() || likely.holds(0)) return "undecided";
  return likely.low > 0 ? "better" : "worse";
}

/// Confirmed, or refuted, where the whole 95 % interval of the difference lies where the claim holds, or does not hold.
[[nodiscard]] inline std::string study_verdict::verdict() const {
  using enum study_claim::relation;
  if (!difference.value.knows_error()) return "undecided";
  const interval likely = difference.value.confidence();
  const auto [low, high] = claim.is == worse ? interval{-likely.high, -likely.low} : likely;
  const bool all = claim.is == same ? low > -claim.by && high < claim.by : low > claim.by;
  const bool none = claim.is == same ? low > claim.by || high < -claim.by : high < claim.by;
  return all ? "confirmed" : none ? "refuted" : "undecided";
}

namespace detail {

/// The numbers of finished cells, ready to be compared.
class study_values {
 public:
  study_values(const study_plan& plan, const std::vector<study_cell>& cells, const study_results& results)
      : plan_(plan) {
    for (const study_cell& cell : cells) {
      const auto found = results.find(cell.run.key);
      if (found == results.end()) continue;
      ++finished_;
      if (const auto value = value_of(cell.task, found->second)) values_[{cell.task, cell.seed, cell.levels}] = *value;
    }
  }

  [[nodiscard]] std::size_t finished() const { return finished_; }
  [[nodiscard]] const std::map<std::string, std::string>& metrics() const { return metrics_; }

  /// One for each seed that is finished.
  [[nodiscard]] std::vector<double> of_seeds(const std::string& task,
                                             const std::map<std::string, std::string>& levels) const {
    std::vector<double> all;
    for (const std::uint64_t seed : plan_.seeds)
      if (const auto found = values_.find({task, seed, levels}); found != values_.end()) all.push_back(found->second);
    return all;
  }

  /// Level less `than` on one task: of each seed the mean over what the other factors are, then the mean of seeds.
  [[nodiscard]] estimate difference(const std::string& factor, const std::string& level, const std::string& than,
                                    const std::string& task) const {
    std::map<std::uint64_t, std::vector<double>> of_seed;
    for (const auto& [place, value] : values_) {
      if (place.task != task || place.levels.at(factor) != level) continue;
      cell_place other = place;
      other.levels[factor] = than;
      if (const auto found = values_.find(other); found != values_.end())
        of_seed[place.seed].push_back(value - found->second);
    }
    std::vector<double> pairs;
    for (const auto& [seed, all] : of_seed) pairs.push_back(estimate_mean(all).mean);
    return estimate_mean(pairs);
  }
  /// The mean of the tasks' differences, each with the same say, of tasks that have a pair; its error is not known
  /// while a task has none.
  [[nodiscard]] estimate difference(const std::string& factor, const std::string& level,
                                    const std::string& than) const {
    std::vector<estimate> of_tasks;
    for (const study_task& task : plan_.tasks)
      if (const estimate e = difference(factor, level, than, task.name); e.count > 0) of_tasks.push_back(e);
    estimate all = mean_of_means(of_tasks);
    if (of_tasks.size() < plan_.tasks.size()) all.error = estimate::unknown;
    return all;
  }

 private:
  struct cell_place {
    std::string task;
    std::uint64_t seed;
    std::map<std::string, std::string> levels;
    auto operator<=>(const cell_place&) const = default;
  };

  /// The metric that judges the task; nothing where it is undefined.
  std::optional<double> value_of(const std::string& task, const json& result) {
    std::string& metric = metrics_[task];
    if (metric.empty()) metric = plan_.task(task).metric;
    for (const char* name : {"accuracy", "f1", "f1_macro", "matthews", "pearson", "spearman"})
      if (metric.empty() && result.contains(name)) metric = name;
    if (!result.contains(metric) || !(result.at(metric).is_number() || result.at(metric).is_null()))
      throw contract_error("task " + task + ": the metric " + (metric.empty() ? "(none named)" : metric) +
                           " is no number of a cell's result " + detail::shown(result));
    if (result.at(metric).is_null()) return std::nullopt;
    return result.at(metric).get<double>();
  }

  const study_plan& plan_;
  std::size_t finished_ = 0;
  std::map<std::string, std::string> metrics_;
  std::map<cell_place, double> values_;
};

/// Levels that are not the base's, for people.
[[nodiscard]] inline std::string levels_text(const study_plan& plan, const std::vector<const study_level*>& levels) {
  std::string text;
  for (std::size_t f = 0; f < levels.size(); ++f)
    if (levels[f]->name != plan.factors[f].base)
      text += (text.empty() ? "" : ", ") + plan.factors[f].name + " = " + levels[f]->name;
  return text.empty() ? "base" : text;
}

}  // namespace detail

/// Throws contract_error where a task's metric is none of what its cells' results have.
[[nodiscard]] inline study_summary summarise(const study_plan& plan, const std::vector<study_cell>& cells,
                                             const study_results& results) {
  const detail::study_values values(plan, cells, results);
  study_summary out{.name = plan.name,
                    .question = plan.question,
                    .planned = cells.size(),
                    .finished = values.finished(),
                    .metrics = values.metrics()};
  for (const study_task& task : plan.tasks)
    for (const auto& levels : detail::settings_of_factors(plan)) {
      std::map<std::string, std::string> names;
      for (std::size_t f = 0; f < levels.size(); ++f) names[plan.factors[f].name] = levels[f]->name;
      const std::vector<double> single = values.of_seeds(task.name, names);
      out.means.push_back({task.name, detail::levels_text(plan, levels), estimate_mean(single), single});
    }
  const auto difference = [&](const std::string& factor, const std::string& level, const std::string& than,
                              const std::string& task) {
    return study_difference{
        factor, level, than, task,
        task.empty() ? values.difference(factor, level, than) : values.difference(factor, level, than, task)};
  };
  for (const study_factor& factor : plan.factors)
    for (const study_level& level : factor.levels) {
      if (level.name == factor.base) continue;
      for (const study_task& task : plan.tasks)
        out.differences.push_back(difference(factor.name, level.name, factor.base, task.name));
      if (plan.tasks.size() > 1) out.differences.push_back(difference(factor.name, level.name, factor.base, ""));
    }
  for (const study_claim& claim : plan.claims)
    out.verdicts.push_back({claim, difference(claim.factor, claim.level, claim.than, claim.task)});
  return out;
}

}  // namespace limbeck
