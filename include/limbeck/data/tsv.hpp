// Tab-separated rows without quoting: a quotation mark is an ordinary character.
#pragma once

#include <concepts>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/data/text_file.hpp"

namespace limbeck {

/// Counts from the right: the last column of a row, whatever their number.
inline constexpr std::ptrdiff_t last_column = -1;

/// One row of a file; looks at its text and owns nothing. Valid until the file or the visit ends.
class tsv_row {
 public:
  tsv_row(std::string_view file, std::ptrdiff_t line, const std::vector<std::string_view>& fields)
      : file_(file), line_(line), fields_(&fields) {}

  [[nodiscard]] std::ptrdiff_t columns() const { return static_cast<std::ptrdiff_t>(fields_->size()); }
  [[nodiscard]] std::ptrdiff_t line() const { return line_; }

  /// The text of a column, counted from 0, or of last_column. Throws file_error with file and line where the row is
  /// shorter.
  [[nodiscard]] std::string_view at(std::ptrdiff_t column) const {
    const std::ptrdiff_t i = column == last_column ? columns() - 1 : column;
    if (i < 0 || i >= columns())
      fail("has " + std::to_string(columns()) + (columns() == 1 ? " column" : " columns") + ", expected at least " +
           std::to_string(column + 1) + " separated by tabs");
    return (*fields_)[static_cast<std::size_t>(i)];
  }

  /// Throws file_error with the row's file and line.
  [[noreturn]] void fail(std::string_view problem) const {
    throw file_error(file_, "line " + std::to_string(line_), problem);
  }

 private:
  std::string_view file_;
  std::ptrdiff_t line_;
  const std::vector<std::string_view>* fields_;
};

/// A file of rows, held in memory. A byte-order mark, CRLF and a last line without an end are accepted; each line is
/// one row, an empty one too.
class tsv_file {
 public:
  /// Throws file_error where the file cannot be read or is empty.
  explicit tsv_file(const std::filesystem::path& file) : tsv_file(file.string(), read_text_file(file)) {}
  /// From text in memory; `name` stands for the file in messages.
  tsv_file(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)) {
    std::string_view line;
    if (text_lines lines(text_); !lines.next(line))
      throw file_error(name_, "", "is empty, expected rows separated by tabs");
  }

  [[nodiscard]] const std::string& name() const { return name_; }

  /// Calls visit(row) for each row from the first line on, until it returns false.
  template <std::predicate<const tsv_row&> Visit>
  void rows(Visit&& visit) const {
    std::vector<std::string_view> fields;
    text_lines lines(text_);
    for (std::string_view line; lines.next(line);) {
      split(line, fields);
      if (!visit(tsv_row(name_, lines.number(), fields))) return;
    }
  }

 private:
  static void split(std::string_view line, std::vector<std::string_view>& fields) {
    fields.clear();
    for (std::size_t tab = line.find('\t'); tab != std::string_view::npos; tab = line.find('\t')) {
      fields.push_back(line.substr(0, tab));
      line.remove_prefix(tab + 1);
    }
    fields.push_back(line);
  }

  std::string name_, text_;
};

}  // namespace limbeck
