// A study's summary as JSON and as Markdown.
#pragma once

#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "limbeck/io/json.hpp"
#include "limbeck/recipes/study_summary.hpp"

namespace limbeck {
namespace detail {

/// What every table and list says of an estimate; what is not known is null.
[[nodiscard]] inline json json_of(const estimate& e) {
  const auto known = [](double x) { return std::isnan(x) ? json() : json(x); };
  const interval likely = e.confidence();
  return {{"n", e.count},
          {"mean", known(e.mean)},
          {"deviation", known(e.deviation)},
          {"low", known(likely.low)},
          {"high", known(likely.high)},
          {"detectable", known(e.detectable())}};
}
[[nodiscard]] inline json json_of(const study_difference& d) {
  json all = json_of(d.value);
  all.update({{"factor", d.factor}, {"level", d.level}, {"than", d.than}, {"verdict", d.verdict()}});
  all["task"] = d.task.empty() ? json() : json(d.task);
  return all;
}

/// Four digits behind the point, with a sign where asked for; a dash for what is not known.
[[nodiscard]] inline std::string number_text(double x, bool sign = false) {
  if (std::isnan(x)) return "–";
  char text[64];
  std::snprintf(text, sizeof text, sign ? "%+.4f" : "%.4f", x);
  return text;
}
[[nodiscard]] inline std::string interval_text(const estimate& e, bool sign) {
  const interval likely = e.confidence();
  return number_text(likely.low, sign) + " .. " + number_text(likely.high, sign);
}
/// The columns of a difference, after what it is of.
[[nodiscard]] inline std::string difference_row(const study_difference& d, const std::string& verdict) {
  return std::to_string(d.value.count) + " | " + number_text(d.value.mean, true) + " | " +
         interval_text(d.value, true) + " | " + number_text(d.value.detectable()) + " | " + verdict + " |\n";
}
[[nodiscard]] inline std::string task_text(const std::string& task) { return task.empty() ? "all" : task; }

[[nodiscard]] inline std::string claim_text(const study_claim& c) {
  const std::string other = c.is == study_claim::relation::better ? "worse" : "better";
  if (c.by < 0)
    return c.factor + " = " + c.level + " is no more than " + number_text(-c.by) + " " + other + " than " + c.than;
  const std::string is = c.is == study_claim::relation::better  ? "better than "
                         : c.is == study_claim::relation::worse ? "worse than "
                                                                : "the same as ";
  std::string text = c.factor + " = " + c.level + " is " + is + c.than;
  if (c.by > 0) text += (c.is == study_claim::relation::same ? " to within " : " by more than ") + number_text(c.by);
  return text;
}

[[nodiscard]] inline std::string means_tables(const study_summary& s) {
  std::string text, task;
  for (const study_mean& m : s.means) {
    if (m.task != task || text.empty()) {
      task = m.task;
      const auto metric = s.metrics.find(task);
      text += "\n## " + task + (metric == s.metrics.end() ? "" : ": " + metric->second) +
              "\n\n| levels | n | mean | standard deviation | 95 % interval |\n| --- | ---: | ---: | ---: | ---: |\n";
    }
    text += "| " + m.levels + " | " + std::to_string(m.value.count) + " | " + number_text(m.value.mean) + " | " +
            number_text(m.value.deviation) + " | " + interval_text(m.value, false) + " |\n";
  }
  return text;
}

/// How the columns are to be read.
[[nodiscard]] inline std::string legend(const study_summary& s) {
  std::string text =
      "\nIntervals hold the true mean with 95 % confidence (Student's t). Differences are paired by seed; one over "
      "all\n"
      "tasks is the mean of theirs. Detectable: the smallest true difference that so many pairs, as far apart as "
      "these,\n"
      "tell from 0 in 4 of 5 studies, at 5 %, two-sided.";
  if (!s.differences.empty())
    text += " Of " + std::to_string(s.differences.size()) +
            " differences, one in 20 would be called better or worse\nby chance alone.";
  return text + "\n";
}

}  // namespace detail

/// One object: `name`, `question`, `cells` (planned, finished), `metrics` (of each task), `prepared`, `means`,
/// `differences` and `claims`.
[[nodiscard]] inline json json_of(const study_summary& s) {
  json all{{"name", s.name}, {"question", s.question}, {"metrics", s.metrics}};
  all["cells"] = {{"planned", s.planned}, {"finished", s.finished}};
  for (const char* list : {"prepared", "means", "differences", "claims"}) all[list] = json::array();
  for (const study_prepared& p : s.steps)
    all["prepared"].push_back({{"step", p.step}, {"task", p.task}, {"value", p.value}});
  for (const study_mean& m : s.means) {
    all["means"].push_back(detail::json_of(m.value));
    all["means"].back().update({{"task", m.task}, {"levels", m.levels}, {"single", m.single}});
  }
  for (const study_difference& d : s.differences) all["differences"].push_back(detail::json_of(d));
  for (const study_verdict& v : s.verdicts) {
    all["claims"].push_back(detail::json_of(v.difference));
    all["claims"].back().update(
        {{"says", v.claim.says}, {"claim", detail::claim_text(v.claim)}, {"verdict", v.verdict()}});
  }
  return all;
}

/// Tables for people.
[[nodiscard]] inline std::string markdown_of(const study_summary& s) {
  using namespace detail;
  const std::string columns = "n | difference | 95 % interval | detectable | verdict |\n",
                    rule = "---: | ---: | ---: | ---: | --- |\n";
  std::string text = "# " + s.name + "\n\n" + (s.question.empty() ? "" : s.question + "\n\n") +
                     std::to_string(s.finished) + " of " + std::to_string(s.planned) + " cells are finished.\n";
  if (!s.verdicts.empty())
    text += "\n## Verdicts\n\n| claim | that is | task | " + columns + "| --- | --- | --- | " + rule;
  for (const study_verdict& v : s.verdicts)
    text += "| " + v.claim.says + " | " + claim_text(v.claim) + " | " + task_text(v.claim.task) + " | " +
            difference_row(v.difference, v.verdict());
  if (!s.differences.empty())
    text += "\n## Differences from the base\n\n| level | than | task | " + columns + "| --- | --- | --- | " + rule;
  for (const study_difference& d : s.differences)
    text += "| " + d.factor + " = " + d.level + " | " + d.than + " | " + task_text(d.task) + " | " +
            difference_row(d, d.verdict());
  text += means_tables(s);
  if (!s.steps.empty()) text += "\n## Prepared\n\n| step | task | value |\n| --- | --- | ---: |\n";
  for (const study_prepared& p : s.steps)
    text += "| " + p.step + " | " + p.task + " | " + number_text(p.value) + " |\n";
  return text + legend(s);
}

}  // namespace limbeck
