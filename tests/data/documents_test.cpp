// Tests of limbeck/data/documents.hpp: every token once, and documents that keep to themselves.
#include "limbeck/data/documents.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "catch.hpp"

namespace limbeck {
namespace {

/// Letters are words; ids from 5 on.
const word_piece& letters() {
  static const word_piece pieces = [] {
    std::vector<std::string> all(special_pieces.begin(), special_pieces.end());
    for (char c = 'a'; c <= 'z'; ++c) all.emplace_back(1, c);
    for (const char* mark : {"[", "]"}) all.emplace_back(mark);
    return word_piece(vocabulary(all), {.parse_specials = false});
  }();
  return pieces;
}
std::vector<std::vector<std::int32_t>> rows_of(const token_rows& rows) {
  std::vector<std::vector<std::int32_t>> all;
  for (std::ptrdiff_t i = 0; i < rows.size(); ++i) all.emplace_back(rows[i].begin(), rows[i].end());
  return all;
}
using id_rows = std::vector<std::vector<std::int32_t>>;

TEST_CASE("a document is a line, or what lies between blank lines where these part the text") {
  CHECK(rows_of(tokenise_documents("a b\nc\nd e", "x", letters())) == id_rows{{5, 6}, {7}, {8, 9}});
  CHECK(rows_of(tokenise_documents("a b\nc\n\n \t\r\n\nd e\n", "x", letters())) == id_rows{{5, 6, 7}, {8, 9}});
  CHECK(rows_of(tokenise_documents("\n\na\nb\n\n \n", "x", letters())) == id_rows{{5}, {6}});  // none lies between
  CHECK(rows_of(tokenise_documents("a b\nc\nd e", "x", letters(), 2)) == id_rows{{5, 6}, {7}});
  CHECK(rows_of(tokenise_documents("a\nb\n\nc\n\nd", "x", letters(), 2)) == id_rows{{5, 6}, {7}});
}

TEST_CASE("a document without a token is none, and what spells a special piece is text") {
  CHECK(rows_of(tokenise_documents("a\n\xE2\x80\x8B\nb", "x", letters())) == id_rows{{5}, {6}});  // a zero-width space
  const token_rows documents = tokenise_documents("[MASK] [SEP]", "x", letters());
  CHECK(rows_of(documents) == id_rows{{31, 1, 32, 31, 1, 32}});
}

TEST_CASE("a corpus without text, or that is not UTF-8, is refused with its place") {
  const auto refusal = [](std::string_view text) {
    try {
      (void)tokenise_documents(text, "corpus.txt", letters());
    } catch (const file_error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(refusal("") == "corpus.txt: has no text, expected documents, one a line or with blank lines between");
  CHECK(refusal("\n\n") == refusal(""));
  CHECK(refusal("a\nb \xE9t\xE9\n") == "corpus.txt: line 2: is not UTF-8");
  CHECK(refusal("a\xEF\xBF\xBD").empty());  // the replacement character itself
  CHECK_THROWS_WITH(tokenise_documents("a", "x", letters(), 0), "limit: must be positive, not 0");
  CHECK_THROWS_AS(read_documents("no such file", letters()), file_error);
}

TEST_CASE("cutting keeps every token once and in order, in the fewest samples, none longer than the others by two") {
  token_rows documents;
  for (const std::int32_t length : {1, 7, 8, 9, 16, 17, 40}) {
    for (std::int32_t t = 0; t < length; ++t) documents.ids.push_back(100 * length + t);
    documents.end_row();
  }
  const std::vector<std::uint32_t> which{0, 1, 2, 3, 5, 6};
  const token_rows samples = cut_documents(documents, which, {2, 3}, 10);
  std::ptrdiff_t at = 0;
  for (const std::uint32_t d : which) {
    const auto document = documents[d];
    const auto count = static_cast<std::ptrdiff_t>(document.size() + 7) / 8;
    std::vector<std::int32_t> joined;
    std::size_t shortest = 8, longest = 0;
    for (std::ptrdiff_t s = at; s < at + count; ++s) {
      const auto sample = samples[s];
      REQUIRE(sample.size() >= 3);
      CHECK(sample.size() <= 10);
      CHECK(sample.front() == 2);
      CHECK(sample.back() == 3);
      joined.insert(joined.end(), sample.begin() + 1, sample.end() - 1);
      shortest = std::min(shortest, sample.size() - 2);
      longest = std::max(longest, sample.size() - 2);
    }
    CHECK(std::equal(joined.begin(), joined.end(), document.begin(), document.end()));
    CHECK(longest - shortest <= 1);
    at += count;
  }
  CHECK(samples.size() == at);
  CHECK_THROWS_WITH(cut_documents(documents, which, {2, 3}, 2), "max-length: 2, a sample needs 3 tokens or more");
}

TEST_CASE("a share of the documents is held out by lot, one at least, and the others are learned from") {
  const document_split split = split_documents(200, 0.05, 1);
  CHECK(split.held_out.size() == 10);
  std::vector<std::uint32_t> all(split.train);
  all.insert(all.end(), split.held_out.begin(), split.held_out.end());
  std::sort(all.begin(), all.end());
  std::vector<std::uint32_t> numbers(200);
  std::iota(numbers.begin(), numbers.end(), 0U);
  CHECK(all == numbers);
  CHECK(split_documents(200, 0.05, 1).held_out == split.held_out);
  CHECK(split_documents(200, 0.05, 2).held_out != split.held_out);
  CHECK(split_documents(3, 0.05, 1).held_out.size() == 1);
  CHECK(split_documents(3, 0, 1).held_out.empty());
  CHECK_THROWS_WITH(split_documents(1, 0.05, 1), "held-out: 1 of 1 documents, none is left to learn from");
  CHECK_THROWS_AS(split_documents(9, 0.95, 1), contract_error);
  CHECK_THROWS_AS(split_documents(9, -0.1, 1), contract_error);
}

}  // namespace
}  // namespace limbeck
