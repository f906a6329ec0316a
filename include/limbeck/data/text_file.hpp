// A text file in memory, and its lines: byte-order mark, CRLF and a last line without an end are all accepted.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "limbeck/core/error.hpp"

namespace limbeck {

/// The whole content of `file`, byte for byte. Throws file_error where it cannot be opened or read.
inline std::string read_text_file(const std::filesystem::path& file) {
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored))
    throw file_error(file.string(), "", "is a folder, expected a text file");
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw file_error(file.string(), "", "cannot be opened");
  constexpr std::size_t chunk = std::size_t{1} << 20;  // sizes of pipes are not known beforehand
  std::string text;
  while (stream) {
    const std::size_t before = text.size();
    text.resize(before + chunk);
    stream.read(text.data() + before, static_cast<std::streamsize>(chunk));
    text.resize(before + static_cast<std::size_t>(stream.gcount()));
  }
  if (stream.bad()) throw file_error(file.string(), "", "cannot be read");
  return text;
}

/// What some programs put in front of UTF-8.
inline constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Walks the lines of a text that somebody else owns. A line ends at "\n" or "\r\n" or with the text; neither end is
/// part of it. A byte-order mark at the start is skipped. Nothing else is special: quotation marks are ordinary
/// characters.
class text_lines {
 public:
  explicit text_lines(std::string_view text) : rest_(text) {
    if (rest_.starts_with(byte_order_mark)) rest_.remove_prefix(byte_order_mark.size());
  }
  /// Puts the next line into `line`, or returns false where there is none. Allocates nothing.
  [[nodiscard]] bool next(std::string_view& line) {
    if (rest_.empty()) return false;
    const std::size_t end = rest_.find('\n');
    line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    ++number_;
    return true;
  }
  /// Number of the line that next() gave last, counted from 1.
  [[nodiscard]] std::ptrdiff_t number() const { return number_; }
  /// The same for messages: "line 7".
  [[nodiscard]] std::string place() const { return "line " + std::to_string(number_); }

 private:
  std::string_view rest_;
  std::ptrdiff_t number_ = 0;
};

}  // namespace limbeck
