// Fuzzes the rows of a TSV, and the data sets that tasks make of them.
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz_target.hpp"
#include "limbeck/data/dataset.hpp"
#include "limbeck/data/glue.hpp"
#include "limbeck/data/tsv.hpp"

namespace limbeck_test {
namespace {

using rows_of_text = std::vector<std::vector<std::string>>;

rows_of_text all_rows(const limbeck::tsv_file& file) {
  rows_of_text all;
  file.rows([&](const limbeck::tsv_row& row) {
    must(row.line() == static_cast<std::ptrdiff_t>(all.size()) + 1 && row.columns() > 0, "a line is a row of columns");
    all.emplace_back();
    for (std::ptrdiff_t column = 0; column < row.columns(); ++column) all.back().emplace_back(row.at(column));
    return true;
  });
  return all;
}

/// With what a reader takes off again: a byte-order mark, and line ends of two characters.
std::string text_of_rows(const rows_of_text& rows) {
  std::string text = "\xEF\xBB\xBF";
  for (const auto& row : rows) {
    for (std::size_t column = 0; column < row.size(); ++column) text += (column > 0 ? "\t" : "") + row[column];
    text += "\r\n";
  }
  return text;
}

void check_dataset(const limbeck::task_description& task, const limbeck::tsv_file& file, std::size_t rows) {
  const auto set = accepted([&] { return limbeck::read_dataset(task, file); });
  if (!set) return;
  must(set->examples.size() == rows - (task.header ? 1 : 0), "each row below the header is an example");
  for (const limbeck::example& one : set->examples) {
    const auto classes = static_cast<std::int32_t>(set->task.labels.size());
    must(task.regression() ? std::isfinite(one.score) : one.label >= 0 && one.label < classes, "a label is in range");
    must(one.pair.has_value() == task.pair_column.has_value(), "a pair is where the task has pairs");
  }
  const auto some = limbeck::read_dataset(set->task, file, 1);
  must(some.examples.size() == 1 && some.examples[0].text == set->examples[0].text, "a limit keeps the first rows");
}

/// With and without header, pairs, named labels, and columns counted from the right; of classes and of scores.
const std::vector<limbeck::task_description>& tasks() {
  static const std::vector<limbeck::task_description> all = {
      limbeck::glue_task("sst-2"), limbeck::glue_task("mnli"),
      limbeck::glue_task("sts-b"), limbeck::glue_task("rte"),
      limbeck::tsv_task({}),       limbeck::tsv_task({.text_column = 1, .label_column = 0, .metric = "spearman"})};
  return all;
}

void read_tsv(std::string_view bytes) {
  const auto file = accepted([&] { return limbeck::tsv_file("some.tsv", std::string(bytes)); });
  if (!file) return;
  const rows_of_text rows = all_rows(*file);
  must(all_rows(limbeck::tsv_file("again.tsv", text_of_rows(rows))) == rows, "rows that were written read the same");
  for (const limbeck::task_description& task : tasks()) check_dataset(task, *file, rows.size());
  limbeck::text_lines lines(bytes);
  for (std::string_view line; lines.next(line);)  // as read_texts() does, up to the first that is refused
    if (!accepted([&] { return limbeck::parse_text_line(line, "some.txt", lines.number()); })) break;
}

const bool tsv_is_known = fuzzes("tsv", read_tsv);

}  // namespace
}  // namespace limbeck_test
