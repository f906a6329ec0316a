// Lines and rows of text files.
#include "limbeck/data/tsv.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "catch.hpp"

using limbeck::tsv_file;
using limbeck::tsv_row;

namespace {

using fields = std::vector<std::vector<std::string>>;

fields rows(const tsv_file& file) {
  fields result;
  file.rows([&](const tsv_row& row) {
    CHECK(row.line() == static_cast<std::ptrdiff_t>(result.size()) + 1);
    std::vector<std::string> columns;
    for (std::ptrdiff_t c = 0; c < row.columns(); ++c) columns.emplace_back(row.at(c));
    result.push_back(columns);
    return true;
  });
  return result;
}

}  // namespace

TEST_CASE("tsv_file splits at tabs and line ends only") {
  CHECK(rows({"f", "a\tb c\n\"d\t\"\n"}) == fields{{"a", "b c"}, {"\"d", "\""}});
  CHECK(rows({"f", "\t\n\n\ta"}) == fields{{"", ""}, {""}, {"", "a"}});
}

TEST_CASE("tsv_file accepts a byte-order mark, CRLF and a last line without an end") {
  CHECK(rows({"f",
              "\xEF\xBB\xBF"
              "a\tb\r\nc\td"}) == fields{{"a", "b"}, {"c", "d"}});
  CHECK(rows({"f", "a\r"}) == fields{{"a"}});
  CHECK(rows({"f", "a\rb\n"}) == fields{{"a\rb"}});
}

TEST_CASE("tsv_file stops when the visitor has enough") {
  int seen = 0;
  tsv_file("f", "a\nb\nc\n").rows([&](const tsv_row&) { return ++seen < 2; });
  CHECK(seen == 2);
}

TEST_CASE("tsv_row names file and line of a column that is missing") {
  const auto read = [](std::ptrdiff_t column) {
    tsv_file("f.tsv", "a\tb\nc\n").rows([&](const tsv_row& row) { return !row.at(column).empty(); });
  };
  CHECK_NOTHROW(read(limbeck::last_column));
  CHECK_THROWS_WITH(read(1), "f.tsv: line 2: has 1 column, expected at least 2 separated by tabs");
  CHECK_THROWS_AS(read(7), limbeck::file_error);
}

TEST_CASE("tsv_file refuses an empty or a missing file, and a folder") {
  CHECK_THROWS_WITH(tsv_file("f.tsv", ""), "f.tsv: is empty, expected rows separated by tabs");
  CHECK_THROWS_WITH(tsv_file("f.tsv", "\xEF\xBB\xBF"), "f.tsv: is empty, expected rows separated by tabs");
  CHECK_THROWS_WITH(tsv_file("no/such.tsv"), "no/such.tsv: cannot be opened");
  CHECK_THROWS_WITH(tsv_file("."), ".: is a folder, expected a text file");
}

TEST_CASE("read_text_file gives every byte, above its own chunk size too") {
  const auto file = std::filesystem::temp_directory_path() / "limbeck_read_text_file_test.txt";
  std::string text(3'000'000, 'x');
  for (std::size_t i = 0; i < text.size(); i += 7) text[i] = static_cast<char>(i);
  std::ofstream(file, std::ios::binary) << text;
  CHECK(limbeck::read_text_file(file) == text);
  std::filesystem::remove(file);
}
