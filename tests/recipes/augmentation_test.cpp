// Copies of texts with other words: which words are offered, how often one is taken, and what stays.
#include "limbeck/recipes/augmentation.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "catch.hpp"
#include "data/small_vocabulary.hpp"
#include "limbeck/backend/eigen.hpp"

namespace {

using limbeck::index;

const limbeck::cpu_executor<> on{.threads = 2};

/// A hundred words w0x ... and their pieces, marks and continuations, with vectors of their own.
struct words_case {
  limbeck::word_piece pieces;
  index width = 7;
  std::vector<float> numbers;

  explicit words_case(const std::string& more = "")
      : pieces(limbeck_test::small_vocabulary(text_of_pieces() + more)),
        numbers(static_cast<std::size_t>(pieces.pieces().size() * width)) {
    for (std::size_t i = 0; i < numbers.size(); ++i)
      numbers[i] = static_cast<float>(
          limbeck::unit_interval(limbeck::random_stream{3, 0, 0}.at(static_cast<std::uint32_t>(i)).word[0]) - 0.5);
  }
  static std::string text_of_pieces() {
    std::string text = ". , ##ing ##ed [unused1] ##3 x2y";
    for (int i = 0; i < 300; ++i) text += " w" + std::to_string(i);
    return text;
  }
  [[nodiscard]] limbeck::view<const float, 2> vectors() const {
    return limbeck::view<const float, 2>(numbers.data(), pieces.pieces().size(), width);
  }
  [[nodiscard]] std::int32_t id(const std::string& piece) const { return pieces.pieces().find(piece).value(); }
  [[nodiscard]] double cosine(const std::vector<double>& a, std::int32_t b) const {
    double ab = 0, aa = 0, bb = 0;
    for (index c = 0; c < width; ++c) {
      const auto x = a[static_cast<std::size_t>(c)], y = static_cast<double>(vectors()(b, c));
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    return ab / std::sqrt(aa * bb);
  }
  /// By looking at every piece, in double.
  [[nodiscard]] std::vector<std::int32_t> nearest_by_force(const std::vector<std::string>& spelled,
                                                           std::size_t most) const {
    std::vector<double> mean(static_cast<std::size_t>(width));
    for (const std::string& piece : spelled)
      for (index c = 0; c < width; ++c)
        mean[static_cast<std::size_t>(c)] += static_cast<double>(vectors()(id(piece), c));
    std::vector<std::pair<double, std::int32_t>> all;
    for (std::int32_t other = 0; other < pieces.pieces().size(); ++other) {
      const std::string text(pieces.pieces().piece(other));
      if (text.find_first_of("#[.,") == std::string::npos && !(spelled.size() == 1 && spelled[0] == text))
        all.emplace_back(-cosine(mean, other), other);
    }
    std::sort(all.begin(), all.end());
    std::vector<std::int32_t> ids;
    for (std::size_t i = 0; i < most; ++i) ids.push_back(all[i].second);
    return ids;
  }
};

std::vector<std::int32_t> listed(std::span<const std::int32_t> ids) { return {ids.begin(), ids.end()}; }

}  // namespace

TEST_CASE("the nearest words are those that looking at each finds, and never marks, continuations or special pieces") {
  const words_case c;
  std::vector<std::string> asked;
  for (int i = 0; i < 300; ++i) asked.push_back("w" + std::to_string(i));  // more than one block
  asked.insert(asked.end(), {"w7ing", "w7", "x2yed3", ".", "zzz", ""});
  const limbeck::nearest_words nearest(on, asked, c.pieces, c.vectors(), 15);
  for (int i = 0; i < 300; ++i) {
    const std::string word = "w" + std::to_string(i);
    CHECK(listed(nearest(word)) == c.nearest_by_force({word}, 15));
  }
  CHECK(listed(nearest("w7ing")) == c.nearest_by_force({"w7", "##ing"}, 15));
  CHECK(listed(nearest("x2yed3")) == c.nearest_by_force({"x2y", "##ed", "##3"}, 15));
  for (const char* none : {".", "zzz", "", "never asked"}) CHECK(nearest(none).empty());
  const limbeck::nearest_words all(on, std::vector<std::string>{"w1"}, c.pieces, c.vectors(), 10000);
  CHECK(all("w1").size() == 300);  // x2y and the other 299
  CHECK_THROWS_WITH(limbeck::nearest_words(on, asked, c.pieces, limbeck::row_block(c.vectors(), 0, 5), 15),
                    "nearest_words: 5 vectors, the vocabulary has 312 pieces");
}

TEST_CASE("a word is replaced with the chance that is asked for, by each of its candidates alike") {
  const words_case c;
  std::string line = "w0";
  for (int i = 1; i < 40; ++i) line += " w" + std::to_string(i);
  const std::vector<limbeck::example> texts{{.text = line}};
  const limbeck::augmentation_options options{.copies = 500, .replaced = 0.4, .candidates = 5, .seed = 11};
  const auto copies = limbeck::augmented(on, texts, c.pieces, c.vectors(), options);
  REQUIRE(copies.size() == 500);
  const limbeck::nearest_words nearest(on, std::vector<std::string>{"w9"}, c.pieces, c.vectors(), 5);
  double replaced = 0;
  std::vector<double> taken(5);
  for (const auto& copy : copies) {
    const auto words = limbeck::detail::words_of(limbeck::detail::normalizer_of(c.pieces), copy.text);
    REQUIRE(words.size() == 40);
    for (int i = 0; i < 40; ++i) replaced += words[static_cast<std::size_t>(i)] != "w" + std::to_string(i) ? 1 : 0;
    for (std::size_t k = 0; k < 5; ++k) taken[k] += words[9] == c.pieces.pieces().piece(nearest("w9")[k]) ? 1 : 0;
  }
  // Five standard deviations of binomials: 20,000 words at 0.4, and 500 copies at 0.4 / 5 for each candidate.
  CHECK(std::abs(replaced / 20000 - 0.4) < 5 * std::sqrt(0.4 * 0.6 / 20000));
  for (const double times : taken) CHECK(std::abs(times / 500 - 0.08) < 5 * std::sqrt(0.08 * 0.92 / 500));
}

TEST_CASE("copies are a function of text, seed and number, follow each other, and carry no label") {
  const words_case c;
  const std::vector<limbeck::example> texts{{.text = "W1 w2, w3.", .pair = "w4 zzz", .label = 1, .score = 2.5},
                                            {.text = "", .label = 0},
                                            {.text = "w5 w6 w7 w8", .label = 1}};
  const limbeck::augmentation_options options{.copies = 3, .replaced = 0.5, .candidates = 4, .seed = 5};
  const auto copies = limbeck::augmented(on, texts, c.pieces, c.vectors(), options);
  REQUIRE(copies.size() == 9);
  std::set<std::string> first;
  for (std::size_t i = 0; i < 9; ++i) {
    CHECK(copies[i].label == -1);
    CHECK(copies[i].score == 0);
    CHECK(copies[i].pair.has_value() == (i < 3));
  }
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(copies[i].text.ends_with(" ."));
    CHECK(copies[i].text.find(" , ") != std::string::npos);
    CHECK(copies[i].pair->ends_with(" zzz"));
    CHECK(copies[3 + i].text.empty());
    first.insert(copies[6 + i].text);
  }
  CHECK(first.size() > 1);

  const auto again =
      limbeck::augmented(limbeck::cpu_executor<>{1}, std::span(texts).first(1), c.pieces, c.vectors(), options);
  for (std::size_t i = 0; i < 3; ++i) CHECK(again[i].text == copies[i].text);
  auto other = options;
  other.seed = 6;
  CHECK(limbeck::augmented(on, std::span(texts).last(1), c.pieces, c.vectors(), other).front().text != copies[6].text);
  other.replaced = 0;
  CHECK(limbeck::augmented(on, texts, c.pieces, c.vectors(), other).front().text == "w1 w2 , w3 .");
  other.replaced = 1;
  CHECK(limbeck::augmented(on, texts, c.pieces, c.vectors(), other).back().text.find("w5") == std::string::npos);
  other.replaced = 1.5;
  CHECK_THROWS_WITH(limbeck::augmented(on, texts, c.pieces, c.vectors(), other),
                    "augment: the chance of a word must be in 0 .. 1, not 1.500000");
}
