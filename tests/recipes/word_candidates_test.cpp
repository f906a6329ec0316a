// Words that may stand in place of another: the nearest by their vectors, and a model's guesses.
#include "limbeck/recipes/word_candidates.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "catch.hpp"
#include "limbeck/backend/eigen.hpp"
#include "limbeck/models/initialise.hpp"
#include "recipes/words_case.hpp"

namespace {

using limbeck_test::words_case;

const limbeck::cpu_executor<> two_threads{.threads = 2};

std::vector<std::int32_t> listed(std::span<const std::int32_t> ids) { return {ids.begin(), ids.end()}; }

}  // namespace

TEST_CASE("the nearest words are those that looking at each finds, and never marks, continuations or special pieces") {
  const words_case c;
  std::vector<std::string> asked;
  for (int i = 0; i < 300; ++i) asked.push_back("w" + std::to_string(i));  // more than one block
  asked.insert(asked.end(), {"w7ing", "w7", "x2yed3", ".", "zzz", ""});
  const limbeck::nearest_words nearest(two_threads, asked, c.pieces, c.vectors(), 15);
  for (int i = 0; i < 300; ++i) {
    const std::string word = "w" + std::to_string(i);
    CHECK(listed(nearest(word)) == c.nearest_by_force({word}, 15));
  }
  CHECK(listed(nearest("w7ing")) == c.nearest_by_force({"w7", "##ing"}, 15));
  CHECK(listed(nearest("x2yed3")) == c.nearest_by_force({"x2y", "##ed", "##3"}, 15));
  for (const char* none : {".", "zzz", "", "never asked"}) CHECK(nearest(none).empty());
  const limbeck::nearest_words all(two_threads, std::vector<std::string>{"w1"}, c.pieces, c.vectors(), 10000);
  CHECK(all("w1").size() == 300);  // x2y and the other 299
  CHECK_THROWS_WITH(limbeck::nearest_words(two_threads, asked, c.pieces, limbeck::row_block(c.vectors(), 0, 5), 15),
                    "nearest_words: 5 vectors, the vocabulary has 312 pieces");
}

TEST_CASE("guesses are the words that the model likes best where one is masked, one text at a time") {
  const words_case c;
  const auto model = limbeck::make_bert_masked_language_model(c.sizes());
  limbeck::buffer<float> weights(model.parameters().size());
  limbeck::initialise(model.parameters(), 3, weights.all(), 0.3);
  limbeck::word_guesses guesses(model, limbeck::read_only(weights.all()), c.pieces.pieces());
  CHECK(guesses.most_tokens() == 14);
  const limbeck::encoding text = c.pieces.encode("w1 w2 w2 , w3", "w4 w5ed", 14);
  const std::vector<limbeck::index> places{1, 2, 3, 5, 7};
  const auto found = guesses(two_threads, text, places, 9);
  REQUIRE(found.size() == places.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    limbeck::encoding masked = text;
    auto& there = masked.ids[static_cast<std::size_t>(places[i])];
    const std::int32_t itself = std::exchange(there, c.pieces.pieces().mask());
    // Every token's logits, from a batch of this text alone.
    const std::vector<limbeck::sample_rows> rows{{0, text.length(), text.length()}};
    const auto numbers = [](const auto& v) { return limbeck::view<const std::int32_t, 1>(v.data(), v.size()); };
    limbeck::bert_masked_language_model::pass<float> pass;
    const auto seen = model.forward(two_threads, limbeck::read_only(weights.all()),
                                    {.ids = numbers(masked.ids),
                                     .types = numbers(masked.types),
                                     .positions = {},
                                     .rows = limbeck::view<const limbeck::sample_rows, 1>(rows.data(), 1),
                                     .logit_tokens = {}},
                                    limbeck::signal::logits, limbeck::inference, pass);
    std::vector<std::pair<float, std::int32_t>> all;
    for (std::int32_t id = 0; id < c.pieces.pieces().size(); ++id)
      if (id != itself && limbeck::is_whole_word(c.pieces.pieces().piece(id)))
        all.emplace_back(-seen.logits(places[i], id), id);
    std::sort(all.begin(), all.end());
    std::vector<std::int32_t> want;
    for (std::size_t k = 0; k < 9; ++k) want.push_back(all[k].second);
    CHECK(found[i] == want);
  }
  CHECK(found[1] != found[2]);  // the same word elsewhere
  CHECK(guesses(two_threads, text, {}, 9).empty());
  const limbeck::vocabulary other = limbeck_test::small_vocabulary("a b");
  CHECK_THROWS_WITH(limbeck::word_guesses(model, limbeck::read_only(weights.all()), other),
                    "word_guesses: the model has 312 words, the vocabulary 7");
}
