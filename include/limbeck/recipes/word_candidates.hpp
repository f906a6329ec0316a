// Words that may stand in place of another: the nearest by their vectors, and what a masked language model guesses.
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
#include <utility>
#include <vector>

#include "limbeck/data/character_class.hpp"
#include "limbeck/data/encoding.hpp"
#include "limbeck/data/packed_tokens.hpp"
#include "limbeck/data/utf8.hpp"
#include "limbeck/data/word_piece.hpp"
#include "limbeck/models/model.hpp"
#include "limbeck/ops/matmul.hpp"

namespace limbeck {

/// Whether a piece is a word by itself: letters and digits, no continuation, no mark, none of the special pieces.
[[nodiscard]] inline bool is_whole_word(std::string_view piece) {
  if (piece.empty() || piece.starts_with(continuation)) return false;
  for (std::size_t at = 0; at < piece.size();)
    if (detail::class_of(detail::decode_utf8(piece, at)) != detail::character_class::letter) return false;
  return true;
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

/// The words that a masked language model finds likeliest where another stands (Jiao et al. 2020, arXiv:1909.10351,
/// algorithm 1).
class word_guesses {
 public:
  /// Looks at the model, its weights and the vocabulary, which outlive it. Throws contract_error where the model has
  /// another number of words than the vocabulary.
  word_guesses(const bert_masked_language_model& model, view<const float, 1> weights, const vocabulary& pieces)
      : model_(&model), weights_(weights), mask_(pieces.mask()), offered_(detail::whole_words(pieces)) {
    expects(model.backbone().sizes().vocabulary == pieces.size(), [&] {
      return message("word_guesses: the model has ", model.backbone().sizes().vocabulary, " words, the vocabulary ",
                     pieces.size());
    });
  }

  /// Tokens that a text may have.
  [[nodiscard]] index most_tokens() const { return model_->backbone().sizes().positions; }

  /// For each of the places (tokens of the text, from 0) the `most` likeliest words where [MASK] stands there, the
  /// likeliest first, equals by their ids; never the word itself. Runs the model once for each place.
  template <launchable E>
  [[nodiscard]] std::vector<std::vector<std::int32_t>> operator()(const E& on, const encoding& text,
                                                                  std::span<const index> places, index most) {
    const auto at_once = static_cast<std::size_t>(std::max(index{1}, index{2048} / text.length()));
    std::vector<std::vector<std::int32_t>> found;
    std::vector<float> likeness(offered_.size());
    for (std::size_t first = 0; first < places.size(); first += at_once) {
      const auto some = places.subspan(first, std::min(at_once, places.size() - first));
      const view<const float, 2> logits = logits_of_masked(on, text, some);
      for (std::size_t i = 0; i < some.size(); ++i) {
        for (std::size_t w = 0; w < offered_.size(); ++w)
          likeness[w] = logits(static_cast<index>(i), offered_[w].front());
        const detail::spelling itself{text.ids[static_cast<std::size_t>(some[i])]};
        found.push_back(detail::most_alike(likeness, offered_, itself, most));
      }
    }
    return found;
  }

 private:
  /// What the model says of each place where it is masked, [places, words]; valid until the next call.
  template <class E>
  [[nodiscard]] view<const float, 2> logits_of_masked(const E& on, const encoding& text,
                                                      std::span<const index> places) {
    const std::vector<encoding> copies(places.size(), text);
    std::vector<std::ptrdiff_t> all(places.size());
    std::iota(all.begin(), all.end(), std::ptrdiff_t{0});
    pack(copies, all, packed_);
    rows_.clear();
    masked_.clear();
    for (std::size_t i = 0; i < places.size(); ++i) {
      rows_.push_back({packed_.begin[i], packed_.length[i], packed_.length[i]});
      masked_.push_back(static_cast<std::int32_t>(packed_.begin[i] + places[i]));
      packed_.ids[static_cast<std::size_t>(masked_.back())] = mask_;
    }
    const auto numbers = [](const std::vector<std::int32_t>& v) {
      return view<const std::int32_t, 1>(v.data(), v.size());
    };
    const token_batch<> batch{.ids = numbers(packed_.ids),
                              .types = numbers(packed_.types),
                              .positions = numbers(packed_.positions),
                              .rows = view<const sample_rows, 1>(rows_.data(), rows_.size()),
                              .logit_tokens = numbers(masked_)};
    return model_->forward(on, weights_, batch, signal::logits, inference, pass_).logits;
  }

  const bert_masked_language_model* model_;
  view<const float, 1> weights_;
  std::int32_t mask_;
  std::vector<detail::spelling> offered_;
  bert_masked_language_model::pass<float> pass_;
  packed_tokens packed_;
  std::vector<sample_rows> rows_;
  std::vector<std::int32_t> masked_;
};

}  // namespace limbeck
