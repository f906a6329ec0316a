// The tokeniser with vocabularies that fit on a page; word_piece_golden_test.cpp has the real one.
#include "limbeck/data/word_piece.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "data/contains.hpp"
#include "data/small_vocabulary.hpp"

using limbeck::word_piece;
using limbeck_test::small_vocabulary;
using ids = std::vector<std::int32_t>;
using pieces = std::vector<std::string>;

TEST_CASE("word_piece takes the longest piece from the left") {
  const word_piece t(small_vocabulary("un una ##aff ##ff ##able ##a"));
  CHECK(t.tokens("unaffable") == pieces{"una", "##ff", "##able"});
  CHECK(t.tokens("Unaffable UN") == pieces{"una", "##ff", "##able", "un"});
}

TEST_CASE("word_piece gives one [UNK] for a word with an unknown part") {
  const word_piece t(small_vocabulary("play ##ing ,"));
  CHECK(t.tokens("playing, playx xplay") == pieces{"play", "##ing", ",", "[UNK]", "[UNK]"});
  CHECK(t.encode("") == ids{});
  CHECK(t.encode(" \n ") == ids{});
}

TEST_CASE("word_piece does not let ## in the text continue a word") {
  const word_piece t(small_vocabulary("play ##ing ing #"));
  CHECK(t.tokens("play ##ing") == pieces{"play", "#", "#", "ing"});
}

TEST_CASE("word_piece takes the spelling of a special piece for it, unless told not to") {
  const auto v = small_vocabulary("a mask [ ] m");
  CHECK(word_piece(v).encode("a[MASK]a [mask] [[SEP]") == ids{5, 4, 5, 7, 6, 8, 7, 3});
  CHECK(word_piece(v, {.parse_specials = false}).encode("a[MASK]") == ids{5, 7, 6, 8});
  CHECK(word_piece(v).encode("[MAS") == ids{7, 1});
  CHECK(word_piece(v).encode("[") == ids{7});
}

TEST_CASE("word_piece keeps case and accents with a cased vocabulary") {
  const auto v = small_vocabulary("Caf\u00E9 cafe");
  CHECK(word_piece(v, {.lower_case = false}).tokens("Caf\u00E9 caf\u00E9") == pieces{"Caf\u00E9", "[UNK]"});
  CHECK(word_piece(v).tokens("Caf\u00E9 caf\u00E9") == pieces{"cafe", "cafe"});
}

TEST_CASE("word_piece counts the limit of a word in code points") {
  const auto v = small_vocabulary("\u0436 ##\u0436");
  const word_piece t(v, {.max_word = 3});
  CHECK(t.encode("\u0436\u0436\u0436") == ids{5, 6, 6});
  CHECK(t.encode("\u0436\u0436\u0436\u0436") == ids{1});
  CHECK_THROWS_WITH(word_piece(v, {.max_word = 0}), limbeck_test::contains("max_word"));
}

TEST_CASE("word_piece frames a text or a pair and cuts the longer half") {
  const word_piece t(small_vocabulary("a b"));
  CHECK(t.encode("a a", 8) == limbeck::encoding{{2, 5, 5, 3}, {0, 0, 0, 0}});
  CHECK(t.encode("a a", "b", 5) == limbeck::encoding{{2, 5, 3, 6, 3}, {0, 0, 0, 1, 1}});
  CHECK(t.encode("a", "", 8) == limbeck::encoding{{2, 5, 3, 3}, {0, 0, 0, 1}});
  const std::optional<std::string> none, some = "b";
  CHECK(t.encode("a", none, 8) == t.encode("a", 8));
  CHECK(t.encode("a", some, 8) == t.encode("a", "b", 8));
  CHECK_THROWS_AS(t.encode("a", "b", 2), limbeck::contract_error);
}

TEST_CASE("word_piece appends to what is there and keeps it where a word is unknown") {
  const word_piece t(small_vocabulary("a ##b"));
  ids buffer{7};
  t.append("ab abx", buffer);
  CHECK(buffer == ids{7, 5, 6, 1});
}

TEST_CASE("word_piece never matches a part of a code point") {
  const word_piece t(small_vocabulary("\xC3 \xC3\xA9 a ##\xC3 ##\xC3\xA9 \xA9 ##\xA9"), {.lower_case = false});
  CHECK(t.encode("\u00E8") == ids{1});
  CHECK(t.encode("\u00E9") == ids{6});
  CHECK(t.encode("a\u00E8") == ids{1});
  CHECK(t.encode("a\u00E9\u00E9") == ids{7, 9, 9});
}
