// Training of a vocabulary: a corpus worked by hand, determinism, and the slow way beside ours.
#include "limbeck/data/vocabulary_trainer.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "data/contains.hpp"
#include "limbeck/data/word_piece.hpp"

using limbeck::vocabulary;
using limbeck::vocabulary_trainer;
using limbeck::vocabulary_trainer_options;
using limbeck_test::contains;

namespace {

using pieces = std::vector<std::string>;

vocabulary trained(const std::vector<std::string>& lines, const vocabulary_trainer_options& options) {
  vocabulary_trainer trainer(options);
  for (const std::string& line : lines) trainer.add(line);
  return trainer.train();
}

pieces learned(const vocabulary& v) {
  pieces result;
  for (std::int32_t id = 5; id < v.size(); ++id) result.emplace_back(v.piece(id));
  return result;
}

/// Words of a, b, c with a bias, the same on every machine.
std::vector<std::string> generated(int lines) {
  std::vector<std::string> result;
  std::uint32_t state = 1;
  for (int i = 0; i < lines; ++i) {
    std::string line;
    for (int c = 0; c < 40; ++c) line.push_back("aabcde  "[(state = state * 1664525u + 1013904223u) >> 29]);
    result.push_back(line);
  }
  return result;
}

/// All pairs counted anew before each merge; ascii words only.
pieces merged_slowly(const std::vector<std::string>& lines, std::size_t size) {
  std::map<std::string, int> counts;
  for (const std::string& line : lines)
    for (std::size_t at = 0; at < line.size();) {
      const std::size_t end = std::min(line.find(' ', at), line.size());
      if (end > at) ++counts[line.substr(at, end - at)];
      at = end + 1;
    }
  std::vector<std::pair<pieces, int>> words;
  for (const auto& [word, count] : counts) {
    pieces cut;
    for (const char c : word) cut.push_back((cut.empty() ? "" : "##") + std::string(1, c));
    words.emplace_back(cut, count);
  }
  pieces made;
  while (made.size() < size) {
    std::map<std::pair<std::string, std::string>, int> pairs;
    for (const auto& [cut, count] : words)
      for (std::size_t i = 0; i + 1 < cut.size(); ++i) pairs[{cut[i], cut[i + 1]}] += count;
    const auto best =
        std::max_element(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    const auto [left, right] = best->first;
    const std::string joined = left + right.substr(2);
    if (std::find(made.begin(), made.end(), joined) == made.end()) made.push_back(joined);
    for (auto& [cut, count] : words) {
      pieces next;
      for (std::size_t i = 0; i < cut.size(); ++i) {
        const bool here = i + 1 < cut.size() && cut[i] == left && cut[i + 1] == right;
        next.push_back(here ? joined : cut[i]);
        if (here) ++i;
      }
      cut = next;
    }
  }
  return made;
}

}  // namespace

TEST_CASE("vocabulary_trainer joins the most frequent pair first, ties by content") {
  // pairs: l ##o 7, ##o ##w 7, ##w ##e 2, ##e ##r 2; "##o" comes before "l" by its bytes
  const auto v = trained({"low low low low low", "lower lower"}, {.size = 100});
  CHECK(learned(v) ==
        pieces{"e", "l", "o", "r", "w", "##e", "##l", "##o", "##r", "##w", "##ow", "low", "##er", "lower"});
}

TEST_CASE("vocabulary_trainer starts with the special pieces and stops at the size") {
  const auto v = trained({"low low low low low", "lower lower"}, {.size = 17});
  CHECK(v.size() == 17);
  CHECK(v.pad() == 0);
  CHECK(v.mask() == 4);
  CHECK(v.piece(16) == "low");
}

TEST_CASE("vocabulary_trainer gives characters that stand alone no ## piece, and rare ones none") {
  const auto v = trained({"ab, ab, \u5B66 \u5B66 z"}, {.size = 100});
  CHECK(learned(v) == pieces{",", "a", "b", "\u5B66", "##a", "##b", "ab"});
}

TEST_CASE("vocabulary_trainer lower-cases and strips accents through the same normaliser") {
  CHECK(learned(trained({"\u00C9\u00C9"}, {.size = 100, .min_pair = 9})) == pieces{"e", "##e"});
  CHECK(learned(trained({"\u00C9\u00C9"}, {.size = 100, .min_pair = 9, .normalise = {.lower_case = false}})) ==
        pieces{"\u00C9", "##\u00C9"});
}

TEST_CASE("vocabulary_trainer gives the same vocabulary whatever the order of lines") {
  auto lines = generated(300);
  const auto first = trained(lines, {.size = 300}).content_hash();
  std::reverse(lines.begin(), lines.end());
  CHECK(trained(lines, {.size = 300}).content_hash() == first);
}

TEST_CASE("vocabulary_trainer agrees with counting all pairs anew before each merge") {
  const auto lines = generated(60);
  const auto slow = merged_slowly(lines, 120);
  const auto fast = learned(trained(lines, {.size = 5 + 10 + 120}));
  REQUIRE(fast.size() == 130);
  CHECK(pieces(fast.begin() + 10, fast.end()) == slow);
}

TEST_CASE("vocabulary_trainer covers its own corpus without [UNK]") {
  const auto lines = generated(200);
  const limbeck::word_piece t(trained(lines, {.size = 200}));
  for (const std::string& line : lines)
    for (const std::int32_t id : t.encode(line)) CHECK(id >= 5);
}

TEST_CASE("vocabulary_trainer says what it cannot do") {
  CHECK_THROWS_WITH(trained({}, {}), contains("no words"));
  CHECK_THROWS_WITH(trained({"abc abc"}, {.size = 10}), contains("size 10") && contains("need 11"));
  CHECK_THROWS_AS(vocabulary_trainer({.size = 0}), limbeck::contract_error);
}
