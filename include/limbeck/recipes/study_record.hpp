// cells.jsonl: the finished cells of a study, one JSON object a line.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <system_error>
#include <utility>

#include "limbeck/core/error.hpp"
#include "limbeck/io/json.hpp"
#include "limbeck/io/run_record.hpp"
#include "limbeck/recipes/study_cells.hpp"

namespace limbeck {

/// What finished cells left, by key.
using study_results = std::map<std::string, json>;

/// The results in a study's record; none where there is no such file. A torn last line is left out. Throws file_error
/// naming the line of what is no cell's, and of a cell that comes twice.
[[nodiscard]] inline study_results read_study_record(const std::filesystem::path& file) {
  study_results results;
  std::error_code none;
  if (!std::filesystem::exists(file, none)) return results;
  for (const json_value& line : read_run_record(file)) {
    (void)line.at("result").members();
    if (!results.emplace(line.required<std::string>("key"), line.at("result").raw()).second)
      line.at("key").refuse("comes twice");
  }
  return results;
}

/// A study's record that is being written: a line is on the disk, whole, before commit() returns.
class study_record {
 public:
  /// Goes on with the file, or begins it. Throws as read_study_record() does.
  explicit study_record(const std::filesystem::path& file)
      : results_(read_study_record(file)), out_(open(file)), lines_(static_cast<std::int64_t>(results_.size())) {}

  [[nodiscard]] const study_results& results() const { return results_; }

  /// Adds a finished cell. Throws file_error where it cannot be written.
  void commit(const study_cell& cell, const json& result, double seconds) {
    out_.append({{"step", lines_++},
                 {"key", cell.run.key},
                 {"task", cell.task},
                 {"seed", cell.seed},
                 {"levels", cell.levels},
                 {"run", cell.run.what},
                 {"seconds", seconds},
                 {"result", result}});
    out_.sync();
    results_.emplace(cell.run.key, result);
  }

 private:
  static run_record open(const std::filesystem::path& file) {
    return std::filesystem::exists(file) ? run_record::resume(file, std::numeric_limits<std::int64_t>::max())
                                         : run_record::start(file);
  }

  study_results results_;
  run_record out_;
  std::int64_t lines_;
};

}  // namespace limbeck
