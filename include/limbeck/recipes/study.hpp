// A study: the cells of a plan, run in processes of their own, and what they say together.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/io/atomic_file.hpp"
#include "limbeck/io/descriptor.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/io/run_lock.hpp"
#include "limbeck/recipes/report.hpp"
#include "limbeck/recipes/run_folder.hpp"
#include "limbeck/recipes/study_cells.hpp"
#include "limbeck/recipes/study_plan.hpp"
#include "limbeck/recipes/study_plan_file.hpp"
#include "limbeck/recipes/study_record.hpp"
#include "limbeck/recipes/study_runner.hpp"
#include "limbeck/recipes/study_summary.hpp"
#include "limbeck/recipes/study_text.hpp"
#include "limbeck/training/console.hpp"

namespace limbeck {

struct study_report {
  bool interrupted = false;
  std::vector<std::string> failures;  ///< cells and steps, with the reason
  study_summary summary;
};

namespace detail {

/// Steps that another study has made, or a cell that it has kept, of the same run: a link to the folder there.
inline void reuse_steps(const std::vector<std::filesystem::path>& others, const study_cells& all) {
  for (const study_step& step : all.steps) {
    if (std::filesystem::exists(step.folder)) continue;
    std::filesystem::remove(step.folder);  // a link to what is gone
    for (const std::filesystem::path& other : others) {
      const auto made = other / "prepared" / step.folder.filename(), kept = other / "cells" / step.run.key;
      const auto& found = std::filesystem::exists(made) ? made : kept;
      if (&found == &kept && !end_of_run(kept)) continue;
      make_folder(step.folder.parent_path());
      std::filesystem::create_directory_symlink(std::filesystem::canonical(found), step.folder);
      break;
    }
  }
}

/// Removes what finished cells left, of which a killed study had no time to.
inline void remove_finished_cells(const std::filesystem::path& output, const study_results& finished) {
  std::error_code none;
  for (const auto& [key, result] : finished) {
    std::filesystem::remove_all(output / "cells" / key, none);
    std::filesystem::remove(output / "cells" / (key + ".log"), none);
  }
}

/// What the steps reached of which the folders are there and that are of the task of the cells that need them.
[[nodiscard]] inline std::vector<study_prepared> prepared_of(const study_cells& all,
                                                             const std::map<std::string, std::string>& metrics) {
  std::vector<study_prepared> reached;
  for (std::size_t i = 0; i < all.steps.size(); ++i) {
    const auto file = all.steps[i].folder / "result.json";
    if (!std::filesystem::exists(file)) continue;
    const json result = read_json(file).raw();
    for (const auto& [task, metric] : metrics) {
      const auto task_of = [](const study_run& run) { return run.what.at("arguments").value("task", json()); };
      const bool needed = std::ranges::any_of(all.cells, [&, &task = task](const study_cell& c) {
        return c.task == task && task_of(c.run) == task_of(all.steps[i].run) &&
               std::ranges::find(c.run.needs, i) != c.run.needs.end();
      });
      if (needed && result.contains(metric) && result.at(metric).is_number())
        reached.push_back({all.steps[i].name, task, result.at(metric).get<double>()});
    }
  }
  return reached;
}

[[nodiscard]] inline study_summary summarise_with_steps(const study_plan& plan, const study_cells& all,
                                                        const study_results& results) {
  study_summary summary = summarise(plan, all.cells, results);
  summary.steps = prepared_of(all, summary.metrics);
  return summary;
}

}  // namespace detail

/// The summary of what a study's folder holds by now.
[[nodiscard]] inline study_summary summarise_study(const study_options& options) {
  const study_plan plan = read_study_plan(options.plan, options.set);
  return detail::summarise_with_steps(plan, cells_of(plan, options.output),
                                      read_study_record(options.output / "cells.jsonl"));
}

/// Runs the cells that the output folder's cells.jsonl does not have yet, and the steps that these need, in child
/// processes; writes summary.json, summary.md and report.html unless it was stopped. A cell that fails is run again by
/// the next call. Throws before anything runs: file_error for plan and folder, contract_error for options.
inline study_report run_study(const study_options& options, console& out) {
  expects(options.jobs >= 1, [&] { return message("jobs: must be 1 or more, not ", options.jobs); });
  expects(options.threads >= 1, [&] { return message("threads: must be 1 or more, not ", options.threads); });
  if (::access(options.program.c_str(), X_OK) != 0) detail::throw_system_error(options.program, "cannot be run");
  const study_plan plan = read_study_plan(options.plan, options.set);
  const study_cells all = cells_of(plan, options.output);
  detail::make_folder(options.output);
  const run_lock lock(options.output);
  study_record record(options.output / "cells.jsonl");
  detail::reuse_steps(options.reuse, all);
  if (!options.keep) detail::remove_finished_cells(options.output, record.results());
  detail::study_runner runner(options, all, record, out);
  study_report report;
  report.interrupted = !runner.run();
  out.clear();
  report.failures = runner.failures();
  report.summary = detail::summarise_with_steps(plan, all, record.results());
  if (const std::size_t others = record.results().size() - report.summary.finished; others > 0)
    out.say(std::to_string(others) + " cells in " + (options.output / "cells.jsonl").string() +
            " are none of this plan's");
  if (!report.interrupted) {
    write_file(options.output / "summary.json", json_of(report.summary).dump(2) + "\n");
    write_file(options.output / "summary.md", markdown_of(report.summary));
    report_study(options.output);
  }
  return report;
}

}  // namespace limbeck
