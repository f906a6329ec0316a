// More texts of a task without more labels: copies in which words give way to words of a like meaning.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "limbeck/core/philox.hpp"
#include "limbeck/data/character_class.hpp"
#include "limbeck/data/dataset.hpp"
#include "limbeck/data/normalizer.hpp"
#include "limbeck/data/word_piece.hpp"
#include "limbeck/ops/matmul.hpp"
#include "limbeck/recipes/classifier.hpp"

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

/// Whether a piece is a word by itself: letters and digits, no continuation, no mark, none of the special pieces.
[[nodiscard]] inline bool is_whole_word(std::string_view piece) {
  if (piece.empty() || piece.starts_with(continuation)) return false;
  for (std::size_t at = 0; at < piece.size();)
    if (detail::class_of(detail::decode_utf8(piece, at)) != detail::character_class::letter) return false;
  return true;
}

/// The matrix of a model's word vectors, [pieces, width].
[[nodiscard]] inline view<const float, 2> word_vectors(const text_classifier& model) {
  const parameter& p = *model.model.parameters().find(names_of(model.config.family).word);
  return view<const float, 2>(model.weights.data() + p.offset, p.rows, p.columns);
}

namespace detail {

/// A word as ids of pieces.
using spelling = std::vector<std::int32_t>;

/// The pieces that are words.
[[nodiscard]] inline std::vector<spelling> whole_words(const vocabulary& pieces) {
  std::vector<spelling> words;
  for (std::int32_t id = 0; id < pieces.size(); ++id)
    if (is_whole_word(pieces.piece(id))) words.push_back({id});
  return words;
}

/// The direction of each word, [words, width]: that of the sum of its pieces' vectors, of length 1; 0 where they
/// cancel.
[[nodiscard]] inline std::vector<float> directions(view<const float, 2> vectors, std::span<const spelling> words) {
  const auto width = static_cast<std::size_t>(vectors.extent(1));
  std::vector<float> rows(words.size() * width);
  std::vector<double> sum(width);
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::ranges::fill(sum, 0.0);
    for (const std::int32_t id : words[i])
      for (std::size_t c = 0; c < width; ++c) sum[c] += static_cast<double>(vectors(id, static_cast<index>(c)));
    const double length = std::sqrt(std::inner_product(sum.begin(), sum.end(), sum.begin(), 0.0));
    for (std::size_t c = 0; length > 0 && c < width; ++c) rows[i * width + c] = static_cast<float>(sum[c] / length);
  }
  return rows;
}

/// Of the words that are offered, the `most` that are most alike, but not the word itself; equals by their order.
[[nodiscard]] inline std::vector<std::int32_t> most_alike(std::span<const float> likeness,
                                                          std::span<const spelling> offered, const spelling& itself,
                                                          index most) {
  std::vector<std::size_t> order(offered.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto end = order.begin() + std::min(most + 1, static_cast<index>(order.size()));  // one may be the word itself
  std::partial_sort(order.begin(), end, order.end(), [&](std::size_t a, std::size_t b) {
    return likeness[a] > likeness[b] || (likeness[a] == likeness[b] && a < b);
  });
  std::vector<std::int32_t> found;
  for (auto at = order.begin(); at != end && static_cast<index>(found.size()) < most; ++at)
    if (offered[*at] != itself) found.push_back(offered[*at].front());
  return found;
}

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

}  // namespace detail

/// For words, those of the vocabulary whose vectors are the nearest by cosine. A word of several pieces lies in the
/// direction of their sum. Punctuation, and words that the vocabulary cannot spell, have none.
class nearest_words {
 public:
  /// Looks up `words`, `most` neighbours each, none of which is the word itself. `vectors`: [pieces, width]; needs room
  /// for as many numbers again, and for the likeness of 256 words to all, for the time. Throws contract_error where
  /// vectors and vocabulary differ in number.
  template <launchable E>
  nearest_words(const E& on, std::span<const std::string> words, const word_piece& pieces, view<const float, 2> vectors,
                index most) {
    constexpr std::size_t at_once = 256;
    expects(vectors.extent(0) == pieces.pieces().size(), [&] {
      return message("nearest_words: ", vectors.extent(0), " vectors, the vocabulary has ", pieces.pieces().size(),
                     " pieces");
    });
    const std::vector<detail::spelling> offered = detail::whole_words(pieces.pieces()), asked = spelled(words, pieces);
    const std::vector<float> theirs = detail::directions(vectors, offered);
    const auto matrix = [&](const std::vector<float>& rows) {
      const index width = vectors.extent(1);
      return view<const float, 2>(rows.data(), static_cast<index>(rows.size()) / width, width);
    };
    std::vector<float> likeness;
    for (std::size_t first = 0; first < asked.size(); first += at_once) {
      const auto some = std::span(asked).subspan(first, std::min(at_once, asked.size() - first));
      const std::vector<float> mine = detail::directions(vectors, some);
      likeness.resize(some.size() * offered.size());
      ops::matmul(on, matrix(mine), transposed(matrix(theirs)),
                  view<float, 2>(likeness.data(), some.size(), offered.size()));
      for (std::size_t i = 0; i < some.size(); ++i)
        nearest_.push_back(detail::most_alike(std::span(likeness).subspan(i * offered.size(), offered.size()), offered,
                                              some[i], most));
    }
  }

  /// The nearest first; none of a word that was not looked up.
  [[nodiscard]] std::span<const std::int32_t> operator()(const std::string& word) const {
    const auto found = place_.find(word);
    return found == place_.end() ? std::span<const std::int32_t>() : std::span(nearest_[found->second]);
  }

 private:
  /// Gives each word that can have neighbours a place, and spells it.
  [[nodiscard]] std::vector<detail::spelling> spelled(std::span<const std::string> words, const word_piece& pieces) {
    std::vector<detail::spelling> all;
    for (const std::string& word : words) {
      if (place_.contains(word) || !is_whole_word(word)) continue;
      detail::spelling ids = pieces.encode(word);
      if (ids.empty() || std::ranges::count(ids, pieces.pieces().unknown()) > 0) continue;
      place_.emplace(word, all.size());
      all.push_back(std::move(ids));
    }
    return all;
  }

  std::unordered_map<std::string, std::size_t> place_;
  std::vector<std::vector<std::int32_t>> nearest_;
};

/// Copies of each text in which every word is, with a chance of `replaced`, one of its nearest by the vectors that a
/// model has of words ([pieces, width]): TinyBERT's algorithm 1 with those in place of GloVe's, and of the guesses of a
/// masked language model. The copies of a text follow each other. They have no label, for only a teacher can tell it;
/// their words are as the tokeniser sees them, one space between. A copy is a function of the text, the seed, and the
/// numbers of text and copy. Throws contract_error for options that make no sense.
template <launchable E>
[[nodiscard]] std::vector<example> augmented(const E& on, std::span<const example> texts, const word_piece& pieces,
                                             view<const float, 2> vectors, const augmentation_options& options) {
  options.check();
  constexpr std::uint32_t site = 0xA0600000;  // of no model's dropout
  const normalizer cut = detail::normalizer_of(pieces);
  const nearest_words nearest(on, detail::distinct_words(cut, texts), pieces, vectors, options.candidates);
  std::vector<example> copies;
  copies.reserve(texts.size() * static_cast<std::size_t>(options.copies));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::vector<std::string> first = detail::words_of(cut, texts[i].text),
                                   second = detail::words_of(cut, texts[i].pair.value_or(""));
    for (index c = 0; c < options.copies; ++c) {
      const random_stream random{options.seed, i, site + static_cast<std::uint32_t>(c)};
      std::uint32_t position = 0;
      const auto varied = [&](std::vector<std::string> words) {
        for (std::string& word : words) {
          const random_words drawn = random.at(position++);
          const auto choices = nearest(word);
          if (!choices.empty() && unit_interval(drawn.word[0]) < options.replaced)
            word = pieces.pieces().piece(choices[std::uint64_t{drawn.word[1]} * choices.size() >> 32]);
        }
        return detail::joined(words);
      };
      copies.push_back({.text = varied(first)});
      if (texts[i].pair) copies.back().pair = varied(second);
    }
  }
  return copies;
}

}  // namespace limbeck
