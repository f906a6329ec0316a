// More texts of a task without more labels: copies in which words give way to words of a like meaning.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "limbeck/core/philox.hpp"
#include "limbeck/data/dataset.hpp"
#include "limbeck/data/normalizer.hpp"
#include "limbeck/data/word_piece.hpp"
#include "limbeck/recipes/classifier.hpp"
#include "limbeck/recipes/word_candidates.hpp"
#include "limbeck/training/evaluation.hpp"

namespace limbeck {

/// The numbers of TinyBERT's data augmentation (Jiao et al. 2020, arXiv:1909.10351, algorithm 1 and section 4.1).
struct augmentation_options {
  index copies = 20;      ///< of each text
  double replaced = 0.4;  ///< the chance of a word to be replaced
  index candidates = 15;  ///< words that it is replaced by one of
  std::uint64_t seed = 0;

  /// Throws contract_error naming the setting.
  void check() const {
    expects(copies >= 0, [&] { return message("augment: must not be negative, not ", copies); });
    expects(replaced >= 0 && replaced <= 1,
            [&] { return message("augment: the chance of a word must be in 0 .. 1, not ", replaced); });
    expects(candidates >= 1, [&] { return message("augment: needs 1 candidate or more, not ", candidates); });
  }
};

/// The matrix of a model's word vectors, [pieces, width].
[[nodiscard]] inline view<const float, 2> word_vectors(const text_classifier& model) {
  const parameter& p = *model.model.parameters().find(names_of(model.config.family).word);
  return view<const float, 2>(model.weights.data() + p.offset, p.rows, p.columns);
}

namespace detail {

/// Cuts a text into words as the tokeniser does.
[[nodiscard]] inline normalizer normalizer_of(const word_piece& pieces) {
  const word_piece_options& o = pieces.options();
  return normalizer({o.lower_case, o.strip_accents, o.isolate_ideographs});
}
[[nodiscard]] inline std::vector<std::string> words_of(const normalizer& cut, std::string_view text) {
  std::vector<std::string> words;
  cut.words(text, [&](std::string_view word, std::ptrdiff_t) { words.emplace_back(word); });
  return words;
}
/// Every word of the texts once, in the order in which they come.
[[nodiscard]] inline std::vector<std::string> distinct_words(const normalizer& cut, std::span<const example> texts) {
  std::unordered_set<std::string> seen;
  std::vector<std::string> words;
  const auto add = [&](std::string_view word, std::ptrdiff_t) {
    if (const auto [at, is_new] = seen.emplace(word); is_new) words.push_back(*at);
  };
  for (const example& e : texts) {
    cut.words(e.text, add);
    if (e.pair) cut.words(*e.pair, add);
  }
  return words;
}
[[nodiscard]] inline std::string joined(std::span<const std::string> words) {
  std::string text;
  for (const std::string& word : words) (text += text.empty() ? "" : " ") += word;
  return text;
}

/// The words of a text, or of a pair, with what each may give way to.
struct changeable_words {
  std::vector<std::string> words{};
  std::size_t of_first = 0;                          // words of the first text
  std::vector<std::vector<std::int32_t>> choices{};  // [words]
};

/// The text with `[CLS]` and `[SEP]` around its words, at most so many tokens, and for each word that is one known
/// piece its token; -1 for the others, and for those that were cut off.
[[nodiscard]] inline std::pair<encoding, std::vector<index>> placed(const changeable_words& text, bool pair,
                                                                    const word_piece& pieces, index max_length) {
  const vocabulary& known = pieces.pieces();
  std::vector<std::int32_t> half[2];
  std::vector<index> place;  // in its half, at first
  for (std::size_t w = 0; w < text.words.size(); ++w) {
    auto& ids = half[w < text.of_first ? 0 : 1];
    const auto before = static_cast<index>(ids.size());
    pieces.append(text.words[w], ids);
    const bool one = static_cast<index>(ids.size()) == before + 1 && ids.back() != known.unknown();
    place.push_back(one && is_whole_word(text.words[w]) ? before : -1);
  }
  const auto size = [](const std::vector<std::int32_t>& ids) { return static_cast<index>(ids.size()); };
  const kept_tokens kept = longest_first(size(half[0]), size(half[1]), max_length - (pair ? 3 : 2));
  for (std::size_t w = 0; w < place.size(); ++w) {
    const bool first = w < text.of_first;
    if (place[w] >= (first ? kept.first : kept.second)) place[w] = -1;
    if (place[w] >= 0) place[w] += first ? 1 : kept.first + 2;
  }
  return {frame({known.classify(), known.separator()}, half[0],
                pair ? std::optional<std::span<const std::int32_t>>(half[1]) : std::nullopt, max_length),
          std::move(place)};
}

/// Puts the model's guesses in place of the choices of words that it sees.
template <launchable E>
void guess(const E& on, changeable_words& text, bool pair, const word_piece& pieces, index most, word_guesses& model) {
  const auto [tokens, place] = placed(text, pair, pieces, model.most_tokens());
  std::vector<index> places;
  std::vector<std::size_t> words;
  for (std::size_t w = 0; w < place.size(); ++w)
    if (place[w] >= 0) {
      places.push_back(place[w]);
      words.push_back(w);
    }
  auto found = model(on, tokens, places, most);
  for (std::size_t i = 0; i < words.size(); ++i) text.choices[words[i]] = std::move(found[i]);
}

/// One copy.
[[nodiscard]] inline example varied(const changeable_words& text, bool pair, const vocabulary& known, double replaced,
                                    const random_stream& random) {
  std::vector<std::string> words = text.words;
  for (std::size_t w = 0; w < words.size(); ++w) {
    const random_words drawn = random.at(static_cast<std::uint32_t>(w));
    const auto& choices = text.choices[w];
    if (!choices.empty() && unit_interval(drawn.word[0]) < replaced)
      words[w] = known.piece(choices[std::uint64_t{drawn.word[1]} * choices.size() >> 32]);
  }
  example copy{.text = joined(std::span(words).first(text.of_first))};
  if (pair) copy.pair = joined(std::span(words).subspan(text.of_first));
  return copy;
}

}  // namespace detail

/// Copies of each text in which every word gives way, with a chance of `replaced`, to one of `candidates` words:
/// TinyBERT's algorithm 1. A word of one piece gives way to what `guesses` says, where that is given; others, and all
/// where it is not, to their nearest by the vectors that a model has of words, [pieces, width], which stand for
/// GloVe's. The copies of a text follow each other. They have no label, for only a teacher can tell it; their words are
/// as the tokeniser sees them, one space between. A copy is a function of the text, the seed, and the numbers of text
/// and copy. Throws contract_error for options that make no sense.
template <launchable E>
[[nodiscard]] std::vector<example> augmented(const E& on, std::span<const example> texts, const word_piece& pieces,
                                             view<const float, 2> vectors, const augmentation_options& options,
                                             word_guesses* guesses = nullptr, const progress_callback& progress = {}) {
  options.check();
  constexpr std::uint32_t site = 0xA0600000;  // of no model's dropout
  const normalizer cut = detail::normalizer_of(pieces);
  const nearest_words nearest(on, detail::distinct_words(cut, texts), pieces, vectors, options.candidates);
  std::vector<example> copies;
  copies.reserve(texts.size() * static_cast<std::size_t>(options.copies));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const bool pair = texts[i].pair.has_value();
    detail::changeable_words text{.words = detail::words_of(cut, texts[i].text)};
    text.of_first = text.words.size();
    if (pair) std::ranges::move(detail::words_of(cut, *texts[i].pair), std::back_inserter(text.words));
    for (const std::string& word : text.words) {
      const auto found = nearest(word);
      text.choices.emplace_back(found.begin(), found.end());
    }
    if (guesses != nullptr) detail::guess(on, text, pair, pieces, options.candidates, *guesses);
    for (index c = 0; c < options.copies; ++c)
      copies.push_back(detail::varied(text, pair, pieces.pieces(), options.replaced,
                                      {options.seed, i, site + static_cast<std::uint32_t>(c)}));
    if (progress) progress(static_cast<index>(i) + 1);
  }
  return copies;
}

}  // namespace limbeck
