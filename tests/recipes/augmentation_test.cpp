// Copies of texts with other words: how often one is taken, and what stays.
#include "limbeck/recipes/augmentation.hpp"

#include <cmath>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "catch.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/models/initialise.hpp"
#include "recipes/words_case.hpp"

namespace {

using limbeck_test::words_case;

const limbeck::cpu_executor<> on{.threads = 2};

}  // namespace

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

TEST_CASE("words of one piece give way to what a masked language model guesses, the others to their nearest") {
  const words_case c;
  const auto model = limbeck::make_bert_masked_language_model(c.sizes());
  limbeck::buffer<float> weights(model.parameters().size());
  limbeck::initialise(model.parameters(), 3, weights.all(), 0.3);
  const auto guesses_for = [&] {
    return limbeck::word_guesses(model, limbeck::read_only(weights.all()), c.pieces.pieces());
  };
  const std::vector<limbeck::example> texts{{.text = "w1, w2ing", .pair = "w3 zzz w4"}};
  auto guesses = guesses_for();
  limbeck::index told = 0;
  const auto copies =
      limbeck::augmented(on, texts, c.pieces, c.vectors(), {.copies = 1, .replaced = 1, .candidates = 1, .seed = 5},
                         &guesses, [&](limbeck::index done) { told = done; });
  CHECK(told == 1);
  // [CLS] w1 , w2 ##ing [SEP] w3 [UNK] w4 [SEP]
  const auto tokens = c.pieces.encode(texts[0].text, *texts[0].pair, 20);
  const auto best = [&](limbeck::index place) {
    auto fresh = guesses_for();
    return std::string(c.pieces.pieces().piece(fresh(on, tokens, std::vector<limbeck::index>{place}, 1)[0][0]));
  };
  const std::string of_two_pieces(c.pieces.pieces().piece(c.nearest_by_force({"w2", "##ing"}, 1)[0]));
  REQUIRE(copies.size() == 1);
  CHECK(copies[0].text == best(1) + " , " + of_two_pieces);
  CHECK(*copies[0].pair == best(6) + " zzz " + best(8));

  // The model reads 14 tokens: three of the first text, eight of the second, and the frame; what it does not see gives
  // way to the nearest word.
  const std::vector<limbeck::example> longer{{.text = "w1 w2 w3", .pair = "w4 w5 w6 w7 w8 w9 w10 w11 w12"}};
  const auto cut = limbeck::augmented(on, longer, c.pieces, c.vectors(),
                                      {.copies = 1, .replaced = 1, .candidates = 1, .seed = 5}, &guesses);
  CHECK(cut[0].pair->ends_with(" " + std::string(c.pieces.pieces().piece(c.nearest_by_force({"w12"}, 1)[0]))));
}
