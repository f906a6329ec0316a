// Reads a task's files, and text without labels, into samples.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/number.hpp"
#include "limbeck/data/glue.hpp"
#include "limbeck/data/text_file.hpp"
#include "limbeck/data/tsv.hpp"

namespace limbeck {

/// One sample as a file has it.
struct example {
  std::string text{};
  std::optional<std::string> pair{};  ///< may be given and empty
  std::int32_t label = -1;            ///< class number; -1: none
  double score = 0;                   ///< of a regression
};

/// Samples in the order of the file. `task.labels` is filled, whether the task named them or the file did.
struct dataset {
  task_description task{};
  std::string file{};
  std::vector<example> examples{};
};

inline constexpr std::ptrdiff_t no_limit = std::numeric_limits<std::ptrdiff_t>::max();

namespace detail {

/// Calls visit(row) for each row below the header until it returns false.
template <class Visit>
void task_rows(const task_description& task, const tsv_file& file, Visit&& visit) {
  bool header = task.header, any = false;
  file.rows([&](const tsv_row& row) {
    if (std::exchange(header, false)) {
      const auto label = task.label_column < row.columns() ? row.at(task.label_column) : std::string_view();
      if (std::find(task.labels.begin(), task.labels.end(), label) != task.labels.end())
        row.fail("label \"" + std::string(label) + "\" where a header was expected");  // or a row would be lost
      return true;
    }
    any = true;
    return static_cast<bool>(visit(row));
  });
  if (!any) throw file_error(file.name(), "", "has no rows below its header");
}

/// Every label of the file once: as numbers where all are, otherwise by bytes.
[[nodiscard]] inline std::vector<std::string> collected_labels(const task_description& task, const tsv_file& file) {
  std::set<std::string, std::less<>> seen;
  task_rows(task, file, [&](const tsv_row& row) {
    const std::string_view label = row.at(task.label_column);
    if (!seen.contains(label)) seen.emplace(label);
    return true;
  });
  std::vector<std::string> labels(seen.begin(), seen.end());
  if (std::all_of(labels.begin(), labels.end(),
                  [](const std::string& label) { return number_in<double>(label).has_value(); }))
    std::stable_sort(labels.begin(), labels.end(), [](const std::string& a, const std::string& b) {
      return *number_in<double>(a) < *number_in<double>(b);
    });
  return labels;
}

}  // namespace detail

/// Reads the first `limit` rows of one of the task's files. A task of classes that names no labels gets them from the
/// whole of this file, so read train first and the rest with its `task`. Throws file_error, with file and line, for an
/// empty file, a row with a column missing, a label that is not among task.labels, a score that is no finite number;
/// contract_error where limit < 1.
[[nodiscard]] inline dataset read_dataset(task_description task, const tsv_file& file,
                                          std::ptrdiff_t limit = no_limit) {
  expects(limit >= 1, [&] { return message("limit: must be positive, not ", limit); });
  const bool regression = task.regression();
  if (!regression && task.labels.empty()) {
    task.labels = detail::collected_labels(task, file);
    task.label_names = task.labels;
  }
  std::unordered_map<std::string_view, std::int32_t> class_of;
  for (const std::string& label : task.labels) class_of.emplace(label, static_cast<std::int32_t>(class_of.size()));

  std::vector<example> examples;
  detail::task_rows(task, file, [&](const tsv_row& row) {
    example next;
    next.text = row.at(task.text_column);
    if (task.pair_column) next.pair = row.at(*task.pair_column);
    const std::string_view label = row.at(task.label_column);
    if (regression) {
      const auto score = number_in<double>(label);
      if (!score) row.fail("score \"" + std::string(label) + "\", expected a finite number");
      next.score = *score;
    } else if (const auto found = class_of.find(label); found != class_of.end()) {
      next.label = found->second;
    } else {
      row.fail("label \"" + std::string(label) + "\", expected one of " + detail::listed(task.labels));
    }
    examples.push_back(std::move(next));
    return static_cast<std::ptrdiff_t>(examples.size()) < limit;
  });
  return {std::move(task), file.name(), std::move(examples)};
}

/// The same from a file on disk.
[[nodiscard]] inline dataset read_dataset(task_description task, const std::filesystem::path& file,
                                          std::ptrdiff_t limit = no_limit) {
  return read_dataset(std::move(task), tsv_file(file), limit);
}

/// The first `limit` rows of train.tsv in `folder`.
[[nodiscard]] inline dataset read_train(task_description task, const std::filesystem::path& folder,
                                        std::ptrdiff_t limit = no_limit) {
  return read_dataset(std::move(task), folder / "train.tsv", limit);
}

/// Every dev set of the task in `folder`, whole: one, for MNLI two. Give the task that read_train returned.
[[nodiscard]] inline std::vector<dataset> read_dev(const task_description& task, const std::filesystem::path& folder) {
  std::vector<dataset> sets;
  for (const std::string& file : task.dev_files) sets.push_back(read_dataset(task, folder / file));
  return sets;
}

/// A line without a label: a text, or a pair with one tab between. Throws file_error with `file` and `line` for more
/// tabs.
[[nodiscard]] inline example parse_text_line(std::string_view text, std::string_view file, std::ptrdiff_t line) {
  const std::size_t tab = text.find('\t');
  if (tab == std::string_view::npos) return {.text = std::string(text)};
  if (text.find('\t', tab + 1) != std::string_view::npos)
    throw file_error(file, "line " + std::to_string(line), "more than one tab, expected a text or a pair of texts");
  return {.text = std::string(text.substr(0, tab)), .pair = std::string(text.substr(tab + 1))};
}

/// The first `limit` lines of a file of text without labels. An empty line is an empty text, so that what is predicted
/// has a line for each. Throws file_error for an empty file or a line with two tabs; contract_error where limit < 1.
[[nodiscard]] inline std::vector<example> read_texts(const std::filesystem::path& file,
                                                     std::ptrdiff_t limit = no_limit) {
  expects(limit >= 1, [&] { return message("limit: must be positive, not ", limit); });
  const std::string text = read_text_file(file);
  std::vector<example> examples;
  text_lines lines(text);
  for (std::string_view line; static_cast<std::ptrdiff_t>(examples.size()) < limit && lines.next(line);)
    examples.push_back(parse_text_line(line, file.string(), lines.number()));
  if (examples.empty()) throw file_error(file.string(), "", "is empty, expected one text a line");
  return examples;
}

}  // namespace limbeck
