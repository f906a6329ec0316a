// The tokeniser against a naive one, on random text with random vocabularies.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "data/naive_word_piece.hpp"
#include "limbeck/data/vocabulary.hpp"
#include "limbeck/data/word_piece.hpp"

using limbeck::vocabulary;
using limbeck::word_piece;
using limbeck::word_piece_options;

namespace {

/// What random text is made of: few letters, so that pieces meet, and every kind of character that is treated apart.
constexpr std::string_view characters[] = {"a",          "b",      "c",          "A",
                                           "B",          "é",      "É",          "e\u0301",
                                           "ж",          "Ж",      "☃",          "☄",
                                           "学",         "習",     "\U00020000", "한",
                                           "각",         "\u0323", "\u0301",     "\U0001D16D",
                                           "\U0001D165", "\u0130", "\u212A",     "\u037E",
                                           "\u226E",     "😀",     " ",          " ",
                                           " ",          "\n",     "\t",         "\u00A0",
                                           "\u3000",     "\u200B", "\uFFFD",     "\x07",
                                           "\x7F",       ",",      "[",          "]",
                                           "#",          "##",     "«",          "—",
                                           "[MASK]",     "[UNK]",  "[mask]",     "[SEP",
                                           "\xC3",       "\xA9",   "\xF0\x9F",   "\xED\xA0\x80",
                                           "\xC0\xAF",   "\xFF"};
constexpr std::size_t letters = 17;

class random_text {
 public:
  explicit random_text(std::uint32_t seed) : numbers_(seed) {}

  [[nodiscard]] std::size_t below(std::size_t limit) { return numbers_() % limit; }
  /// `count` of the first `kinds` characters.
  [[nodiscard]] std::string of_characters(std::size_t count, std::size_t kinds) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += characters[below(kinds)];
    return text;
  }
  [[nodiscard]] std::string of_bytes(std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text.push_back(static_cast<char>(below(256)));
    return text;
  }
  [[nodiscard]] std::string of_code_points(std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t limits[] = {0x80, 0x250, 0x3000, 0x10000, 0x110000};
      const auto c = static_cast<char32_t>(below(limits[below(5)]));
      if (c < 0xD800 || c > 0xDFFF) limbeck::detail::append_utf8(text, c);
    }
    return text;
  }
  /// The special pieces and about `count` others, some of them broken, of up to `longest` characters.
  [[nodiscard]] vocabulary pieces(std::size_t count, std::size_t longest) {
    std::set<std::string> seen(limbeck::special_pieces.begin(), limbeck::special_pieces.end());
    std::vector<std::string> all(limbeck::special_pieces.begin(), limbeck::special_pieces.end());
    for (std::size_t i = 0; i < count; ++i) {
      std::string piece = below(3) > 0 ? "##" : "";
      piece += of_characters(1 + below(longest), below(8) > 0 ? letters : std::size(characters));
      if (below(50) == 0) piece.pop_back();
      const bool of_one_line = piece.find('\n') == std::string::npos && !piece.ends_with('\r');
      if (!piece.empty() && of_one_line && seen.insert(piece).second) all.push_back(piece);
    }
    return vocabulary(all);
  }

 private:
  std::mt19937 numbers_;
};

/// Compares on many texts. How many ids there were besides [UNK], so that a test can know that it compared something.
std::size_t compare(const vocabulary& pieces, const word_piece_options& options, random_text& random, int texts) {
  const word_piece tokenise(pieces, options);
  const limbeck_test::naive_word_piece naive(pieces, options);
  std::size_t known = 0;
  for (int i = 0; i < texts; ++i) {
    const std::size_t length = random.below(60);
    const std::string text = i % 4 == 0   ? random.of_characters(length, letters)
                             : i % 4 == 1 ? random.of_characters(length, std::size(characters))
                             : i % 4 == 2 ? random.of_bytes(length)
                                          : random.of_code_points(length);
    const auto expected = naive.encode(text);
    INFO("text " << i << " of " << text.size() << " bytes: " << text);
    REQUIRE(tokenise.encode(text) == expected);
    for (const std::int32_t id : expected) known += id == pieces.unknown() ? 0 : 1;
  }
  return known;
}

}  // namespace

TEST_CASE("word_piece gives the ids of a naive one with random vocabularies, uncased and cased") {
  for (std::uint32_t seed = 0; seed < 24; ++seed) {
    INFO("seed " << seed);
    random_text random(seed);
    const vocabulary pieces = random.pieces(10 + 40 * (seed % 12), 1 + seed % 7);
    CHECK(compare(pieces, {}, random, 150) > 0);
    CHECK(compare(pieces, {.lower_case = false}, random, 150) > 0);
    compare(pieces, {.lower_case = true, .strip_accents = false, .max_word = 7}, random, 60);
    compare(pieces, {.lower_case = false, .strip_accents = true, .isolate_ideographs = false}, random, 60);
    compare(pieces, {.max_word = 2, .parse_specials = false}, random, 60);
  }
}

TEST_CASE("word_piece gives the ids of a naive one where a long piece fails late again and again") {
  std::string long_piece(40, 'a');
  std::vector<std::string> all(limbeck::special_pieces.begin(), limbeck::special_pieces.end());
  for (const char* piece : {"a", "##a", "##aaa", "aaaa", "##b"}) all.emplace_back(piece);
  all.push_back(long_piece + "c");
  all.push_back("##" + long_piece + "c");
  const vocabulary pieces(all);
  const word_piece tokenise(pieces, {.max_word = 300});
  const limbeck_test::naive_word_piece naive(pieces, {.max_word = 300});
  for (std::size_t count = 1; count < 130; ++count)
    for (const char* end : {"", "b", "c", "cc", "x", "ab", "cab"}) {
      const std::string word = std::string(count, 'a') + end;
      INFO(word);
      REQUIRE(tokenise.encode(word) == naive.encode(word));
    }
}

TEST_CASE("word_piece gives the ids of a naive one with the vocabulary of a pretrained encoder", "[golden]") {
  const char* folder = std::getenv("LIMBECK_MINILM_DIR");
  if (!folder) LIMBECK_SKIP("LIMBECK_MINILM_DIR is not set");
  const vocabulary pieces = vocabulary::read(std::filesystem::path(folder) / "vocab.txt");
  random_text random(7);
  CHECK(compare(pieces, {}, random, 2000) > 0);
  CHECK(compare(pieces, {.lower_case = false}, random, 2000) > 0);
}

TEST_CASE("word_piece appends the same ids to one buffer as to many") {
  random_text random(3);
  const word_piece tokenise(random.pieces(200, 4));
  std::vector<std::int32_t> all, expected;
  for (int i = 0; i < 200; ++i) {
    const std::string text = random.of_characters(random.below(30), std::size(characters));
    tokenise.append(text, all);
    const auto ids = tokenise.encode(text);
    expected.insert(expected.end(), ids.begin(), ids.end());
  }
  CHECK(all == expected);
}
