// Known bugs of others in text and files: vocabularies, tokenisers, pairs, TSV rows (23, 32, 33, 34).
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "limbeck/data/dataset.hpp"
#include "limbeck/data/encoding.hpp"
#include "limbeck/data/word_piece.hpp"

namespace {

using pieces = std::vector<std::string>;

/// A tokeniser of the special pieces and `known`.
limbeck::word_piece tokeniser(std::initializer_list<std::string> known) {
  std::vector<std::string> all(limbeck::special_pieces.begin(), limbeck::special_pieces.end());
  all.insert(all.end(), known);
  return limbeck::word_piece(limbeck::vocabulary(all));
}

std::string repeated(std::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

/// How many tokens of halves of `a` and `b` tokens are left within `limit`, read off the framed pair.
limbeck::kept_tokens kept(std::size_t a, std::size_t b, std::ptrdiff_t limit) {
  const std::vector<std::int32_t> first(a, 10), second(b, 20);
  const auto pair = limbeck::frame({.classify = 2, .separator = 3}, first, second, limit);
  limbeck::kept_tokens count;
  std::vector<std::int32_t> expected_ids{2}, expected_types{0};
  for (const std::int32_t id : pair.ids) {
    count.first += id == 10 ? 1 : 0;
    count.second += id == 20 ? 1 : 0;
  }
  expected_ids.insert(expected_ids.end(), static_cast<std::size_t>(count.first), 10);
  expected_ids.push_back(3);
  expected_types.resize(expected_ids.size(), 0);
  expected_ids.insert(expected_ids.end(), static_cast<std::size_t>(count.second), 20);
  expected_ids.push_back(3);
  expected_types.resize(expected_ids.size(), 1);
  CHECK(pair.ids == expected_ids);  // [CLS] a [SEP] b [SEP]
  CHECK(pair.types == expected_types);
  CHECK(pair.length() <= limit);
  return count;
}

/// As a reader with CSV quoting counts rows: a line end inside of quotation marks is text.
int rows_with_quoting(std::string_view text) {
  int rows = 0;
  bool quoted = false, open = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    open = true;
    if (c == '\n' && !quoted) {
      ++rows;
      open = false;
    }
  }
  return rows + (open ? 1 : 0);
}

/// Longest pieces from the left as naive tokenisers find them: a letter without a piece is an [UNK] of its own.
pieces naive_pieces(const limbeck::vocabulary& known, std::string_view word) {
  pieces found;
  for (std::size_t at = 0; at < word.size();) {
    std::size_t end = word.size();
    const auto piece = [&] { return (at > 0 ? "##" : "") + std::string(word.substr(at, end - at)); };
    while (end > at && !known.find(piece())) --end;
    found.push_back(end > at ? piece() : "[UNK]");
    at = end > at ? end : at + (static_cast<unsigned char>(word[at]) < 0x80 ? 1 : 3);
  }
  return found;
}

/// Where a naive reader of UTF-8 believes the character at `at` to end: it asks the first byte alone.
std::size_t naive_end(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  return at + (lead < 0x80 ? 1U : lead < 0xE0 ? 2U : lead < 0xF0 ? 3U : 4U);
}

/// How much a naive frame keeps: each half at most half of the room.
constexpr limbeck::kept_tokens naive_kept(std::ptrdiff_t a, std::ptrdiff_t b, std::ptrdiff_t limit) {
  const std::ptrdiff_t half = (limit - 3) / 2;
  return {a < half ? a : half, b < half ? b : half};
}

/// As tokenisers do that delete what is not ASCII instead of decomposing it.
std::string without_accented_letters(std::string_view text) {
  std::string result;
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x80) result.push_back(c);
  return result;
}

}  // namespace

// 23: ids of one vocabulary were fed to a model of another of the same size. arcee-ai/DistillKit#7
TEST_CASE("bug_23a: two vocabularies of one size whose entries were exchanged are told apart", "[bugs]") {
  std::vector<std::string> known(limbeck::special_pieces.begin(), limbeck::special_pieces.end());
  for (int i = 5; i < 100; ++i) known.push_back("word" + std::to_string(i));
  const limbeck::vocabulary teacher(known);
  std::swap(known[10], known[11]);
  const limbeck::vocabulary student(known);
  CHECK(teacher.content_hash() != student.content_hash());
  CHECK(teacher.content_hash() == limbeck::vocabulary(teacher).content_hash());
  CHECK(teacher.size() == student.size());  // naive: takes equal sizes for equal words
  CHECK(teacher.find("word10") != student.find("word10"));
}

TEST_CASE("bug_32a: an accent is dropped and its letter stays, composed or not", "[bugs]") {
  const auto t = tokeniser({"go", "##sp", "##ic", "##i"});
  CHECK(t.tokens("Gospi\u0107") == pieces{"go", "##sp", "##ic"});
  CHECK(t.tokens("Gospic\u0301") == pieces{"go", "##sp", "##ic"});
  CHECK(t.tokens(without_accented_letters("Gospi\u0107")) == pieces{"go", "##sp", "##i"});  // the naive way
}

TEST_CASE("bug_32b: each ideograph is a word, those above 16 bits too", "[bugs]") {
  const auto t = tokeniser({"\u5B66", "\u4E60", "ab", "\U00020000", "##\u4E60"});
  CHECK(t.tokens("\u5B66\u4E60ab") == pieces{"\u5B66", "\u4E60", "ab"});
  CHECK(t.tokens("ab\U00020000ab") == pieces{"ab", "\U00020000", "ab"});
  CHECK(naive_pieces(t.pieces(), "\u5B66\u4E60ab") == pieces{"\u5B66", "##\u4E60", "[UNK]", "[UNK]"});  // one word
  CHECK(static_cast<char16_t>(U'\U00020000') == 0);  // naive: 16 bits a character
}

TEST_CASE("bug_32c: a word may have 100 characters, however many bytes", "[bugs]") {
  const auto t = tokeniser({"\u0436", "##\u0436"});
  const std::string longest = repeated("\u0436", 100);
  const bool naive_is_unknown = longest.size() > 100;  // a limit of bytes
  CHECK(naive_is_unknown);
  CHECK(t.encode(longest).size() == 100);
  CHECK(t.encode(longest)[99] == 6);
  CHECK(t.tokens(longest + "\u0436") == pieces{"[UNK]"});
}

TEST_CASE("bug_32d: a word that is matched in part is one [UNK]", "[bugs]") {
  CHECK(tokeniser({"play"}).tokens("play\u2603") == pieces{"[UNK]"});
  CHECK(tokeniser({"play", "##\u2603"}).tokens("play\u2603") == pieces{"play", "##\u2603"});
  CHECK(naive_pieces(tokeniser({"play"}).pieces(), "play\u2603") == pieces{"play", "[UNK]"});
}

TEST_CASE("bug_32e: what cannot be seen is dropped, and broken UTF-8 is never read past its end", "[bugs]") {
  const auto t = tokeniser({"ab", "a", "b"});
  CHECK(t.tokens(std::string_view("a\0b", 3)) == pieces{"ab"});
  CHECK(t.tokens("a\uFFFDb") == pieces{"ab"});
  CHECK(t.tokens("a\u200Bb") == pieces{"ab"});
  CHECK(t.tokens("a\uF059b") == pieces{"ab"});
  for (const char* broken : {"a\xFF", "a\xC3", "a\xE2\x98", "a\xF0\x9F\x98", "a\xED\xA0\x80", "a\xC0\x80", "a\x80"}) {
    const std::vector<char> exact(broken, broken + std::string_view(broken).size());  // no byte behind it to read
    CHECK(t.tokens(std::string_view(exact.data(), exact.size())) == pieces{"a"});
  }
  for (const char* broken : {"a\xC3", "a\xE2\x98", "a\xF0\x9F\x98"})
    CHECK(naive_end(broken, 1) > std::string_view(broken).size());  // naive: reads behind the text
  CHECK(naive_pieces(t.pieces(), "a\uF059b") == pieces{"a", "[UNK]", "[UNK]"});
}

TEST_CASE("bug_32f: Hangul is decomposed, emoji are letters", "[bugs]") {
  const auto t = tokeniser({"\u1112", "##\u1161", "##\u11AB", "\U0001F600", "##\U0001F600", "a"});
  CHECK(t.tokens("\uD55C") == pieces{"\u1112", "##\u1161", "##\u11AB"});
  CHECK(t.tokens("\U0001F600") == pieces{"\U0001F600"});
  CHECK(t.tokens("a\U0001F600") == pieces{"a", "##\U0001F600"});
  CHECK(t.tokens("\U0001F600\u200D\U0001F600") == pieces{"\U0001F600", "##\U0001F600"});  // the joiner is dropped
  CHECK(naive_pieces(t.pieces(), "\uD55C") == pieces{"[UNK]"});  // naive: syllables are not decomposed
}

TEST_CASE("bug_33a: the longer half is cut", "[bugs]") {
  CHECK(kept(10, 2, 8) == limbeck::kept_tokens{3, 2});
  CHECK(naive_kept(10, 2, 8) == limbeck::kept_tokens{2, 2});
}

TEST_CASE("bug_33b: an empty half is no error", "[bugs]") {
  CHECK(kept(0, 510, 512) == limbeck::kept_tokens{0, 509});
  CHECK(naive_kept(0, 510, 512) == limbeck::kept_tokens{0, 254});
}

TEST_CASE("bug_33c: of two equal halves the second keeps the odd token", "[bugs]") {
  CHECK(kept(5, 5, 8) == limbeck::kept_tokens{2, 3});
  CHECK(naive_kept(5, 5, 8) == limbeck::kept_tokens{2, 2});
}

TEST_CASE("bug_33d: one place left goes to the second half", "[bugs]") {
  CHECK(kept(1, 1, 4) == limbeck::kept_tokens{0, 1});
  CHECK(naive_kept(1, 1, 4) == limbeck::kept_tokens{0, 0});
}

TEST_CASE("bug_33e: a limit that the special pieces exceed is refused", "[bugs]") {
  for (const std::ptrdiff_t limit : {2, 1, 0, -1}) CHECK_THROWS_AS(kept(1, 1, limit), limbeck::contract_error);
  CHECK(kept(1, 1, 3) == limbeck::kept_tokens{0, 0});
  CHECK(static_cast<std::size_t>(2 - 3) > std::size_t{512});  // naive: the room left, as a count
}

TEST_CASE("bug_34: an unpaired quotation mark swallows no row, a short row is an error with its line", "[bugs]") {
  const std::string text = "one\t0\r\n\"two\t1\r\nthree\t0\r\nfour\t1\r\nfive\t0\r\nsix\t1";
  CHECK(rows_with_quoting(text) == 2);  // the naive way
  const auto set = limbeck::read_dataset(limbeck::tsv_task({}), limbeck::tsv_file("f.tsv", text));
  REQUIRE(set.examples.size() == 6);
  CHECK(set.examples[1].text == "\"two");
  for (std::size_t i = 0; i < 6; ++i) CHECK(set.examples[i].label == static_cast<int>(i % 2));
  const limbeck::tsv_file shorter("f.tsv", "one\t0\n\"two\nthree\t0\n");
  CHECK_THROWS_WITH(limbeck::read_dataset(limbeck::tsv_task({}), shorter),
                    "f.tsv: line 2: has 1 column, expected at least 2 separated by tabs");
}
