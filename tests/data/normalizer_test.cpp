// BERT's basic tokenisation: which words a text has.
#include "limbeck/data/normalizer.hpp"

#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

namespace {

using words_t = std::vector<std::string>;

words_t words(std::string_view text, limbeck::normalizer_options options = {}) {
  words_t result;
  limbeck::normalizer(options).words(text, [&](std::string_view word, std::ptrdiff_t characters) {
    std::ptrdiff_t starts = 0;
    for (const char c : word) starts += limbeck::detail::is_continuation_byte(c) ? 0 : 1;
    CHECK(starts == characters);
    result.emplace_back(word);
  });
  return result;
}

}  // namespace

TEST_CASE("normalizer parts words at any white space and sets punctuation apart") {
  CHECK(words("Hello, World!") == words_t{"hello", ",", "world", "!"});
  CHECK(words("a\tb\nc\rd  e") == words_t{"a", "b", "c", "d", "e"});
  CHECK(words("a\u00A0b\u3000c\u2028d\u1680e") == words_t{"a", "b", "c", "d", "e"});
  CHECK(words("x=y^2$") == words_t{"x", "=", "y", "^", "2", "$"});
  CHECK(words("«a»—b") == words_t{"«", "a", "»", "—", "b"});
  CHECK(words("") == words_t{});
  CHECK(words(" \t ") == words_t{});
}

TEST_CASE("normalizer drops control, format and private-use characters without parting the word") {
  CHECK(words(std::string_view("a\0b\x07"
                               "c\x7F"
                               "d",
                               7)) == words_t{"abcd"});
  CHECK(words("a\uFFFDb\u200Bc\uF059d\u00ADe\uFEFFf") == words_t{"abcdef"});
  CHECK(words("a\u0085b") == words_t{"ab"});
}

TEST_CASE("normalizer strips accents by decomposing, and lower-cases, unless it is cased") {
  CHECK(words("Gospi\u0107 Gospic\u0301") == words_t{"gospic", "gospic"});
  CHECK(words("\u0130STANBUL Stra\u00DFe") == words_t{"istanbul", "stra\u00DFe"});
  CHECK(words("Gospi\u0107", {.lower_case = false}) == words_t{"Gospi\u0107"});
  CHECK(words("Gospi\u0107", {.lower_case = true, .strip_accents = false}) == words_t{"gospi\u0107"});
  CHECK(words("\u0130", {.lower_case = true, .strip_accents = false}) == words_t{"i\u0307"});
  CHECK(words("Gospi\u0107", {.lower_case = false, .strip_accents = true}) == words_t{"Gospic"});
  CHECK(words("\uD55C") == words_t{"\u1112\u1161\u11AB"});  // Hangul stays decomposed
  CHECK(words("\u0301") == words_t{});
}

TEST_CASE("normalizer brings marks that stay into canonical order") {
  CHECK(words("a\U0001D16D\U0001D165") == words_t{"a\U0001D165\U0001D16D"});
  CHECK(words("a\U0001D16D\U0001D165", {.lower_case = false}) == words_t{"a\U0001D16D\U0001D165"});
}

TEST_CASE("normalizer sets ideographs apart") {
  CHECK(words("\u5B66\u4E60ab\U00020000") == words_t{"\u5B66", "\u4E60", "ab", "\U00020000"});
  CHECK(words("\u5B66\u4E60", {.isolate_ideographs = false}) == words_t{"\u5B66\u4E60"});
  CHECK(words("\u30AB\u30BF") == words_t{"\u30AB\u30BF"});  // kana are no ideographs
}

TEST_CASE("normalizer takes marks and punctuation younger than the reference's tables for letters") {
  CHECK(words("a\u2E43b") == words_t{"a\u2E43b"});          // punctuation since Unicode 9
  CHECK(words("a\u1DF6") == words_t{"a\u1DF6"});            // a mark since Unicode 10
  CHECK(words("a\u166Db") == words_t{"a", "\u166D", "b"});  // punctuation until Unicode 11
}

TEST_CASE("normalizer drops broken UTF-8 and never reads past the end") {
  CHECK(words("a\xFF"
              "b") == words_t{"ab"});
  CHECK(words("a\xC3") == words_t{"a"});
  CHECK(words("a\xE2\x82") == words_t{"a"});
  CHECK(words("a\xF0\x9F\x98") == words_t{"a"});
  CHECK(words("a\xE2\x82 b") == words_t{"a", "b"});
  CHECK(words("a\xC0\xAF\xE0\x80\xAF"
              "b") == words_t{"ab"});  // overlong
  CHECK(words("a\xED\xA0\x80"
              "b") == words_t{"ab"});  // a surrogate
  CHECK(words("a\xF4\x90\x80\x80"
              "b") == words_t{"ab"});        // above U+10FFFF
  for (int first = 0; first < 256; ++first)  // every pair of bytes, cut off after each
    for (int second = 0; second < 256; ++second) {
      const std::string two{static_cast<char>(first), static_cast<char>(second)};
      std::size_t at = 0;
      (void)limbeck::detail::decode_utf8(two, at);
      REQUIRE((at == 1 || at == 2));
    }
}
