// BERT's tokeniser: text to the ids of a WordPiece vocabulary, exactly as BertTokenizerFast gives them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/data/encoding.hpp"
#include "limbeck/data/normalizer.hpp"
#include "limbeck/data/piece_trie.hpp"
#include "limbeck/data/vocabulary.hpp"

namespace limbeck {

struct word_piece_options {
  bool lower_case = true;               ///< false for a cased vocabulary
  std::optional<bool> strip_accents{};  ///< not given: as lower_case
  bool isolate_ideographs = true;       ///< each Chinese character is a word
  std::ptrdiff_t max_word = 100;        ///< code points; a longer word is [UNK]
  bool parse_specials = true;  ///< "[MASK]" in the text, spelled exactly, is that piece; false: it is text like any
};

/// Cuts words into the longest pieces that fit, from the left (Devlin et al. 2019, arXiv:1810.04805, section 3; Wu et
/// al. 2016, arXiv:1609.08144, section 4.1). A word with a part that no piece covers is one [UNK]. Holds its
/// vocabulary; constant after it is made, so threads may share one. Broken UTF-8 is dropped.
class word_piece {
 public:
  /// Throws contract_error where max_word is below 1.
  explicit word_piece(vocabulary pieces, word_piece_options options = {})
      : pieces_(std::move(pieces)),
        trie_(pieces_),
        normalizer_({options.lower_case, options.strip_accents, options.isolate_ideographs}),
        options_(options) {
    expects(options.max_word >= 1,
            [&] { return message("word_piece: max_word must be positive, not ", options.max_word); });
    for (char c = 0; c < 0x7F; ++c)
      marks_[static_cast<unsigned char>(c)] = pieces_.find(std::string_view(&c, 1)).value_or(pieces_.unknown());
  }

  [[nodiscard]] const vocabulary& pieces() const { return pieces_; }
  [[nodiscard]] const word_piece_options& options() const { return options_; }

  /// Appends the ids of `text` to `ids`, no [CLS] or [SEP] added. A buffer that is used again spares allocations: the
  /// only others are for text that is not plain ASCII.
  void append(std::string_view text, std::vector<std::int32_t>& ids) const {
    normalized_run other;
    open_word word{.first_id = ids.size()};
    for (std::size_t at = 0; at < text.size();) {
      at += letters(text.substr(at), word, ids);
      if (at == text.size()) break;
      switch (normalizer_.kind(text[at])) {
        case normalizer::dropped: ++at; break;
        case normalizer::not_ascii:
          normalizer_.run(text, at, other);
          read(other.text, word, ids);
          break;
        case normalizer::punctuation:
          end(word, ids);
          at += mark(text.substr(at), ids);
          word.first_id = ids.size();
          break;
        default: end(word, ids); ++at;
      }
    }
    end(word, ids);
  }

  /// The ids of `text`, no [CLS] or [SEP] added, never cut.
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const {
    std::vector<std::int32_t> ids;
    ids.reserve(text.size() / 4 + 1);  // prose has less than a piece for four bytes
    append(text, ids);
    return ids;
  }

  /// [CLS] text [SEP], at most `max_length` tokens. Throws contract_error where max_length is below 2.
  [[nodiscard]] encoding encode(std::string_view text, std::ptrdiff_t max_length) const {
    return encode(text, std::nullopt, max_length);
  }

  /// [CLS] text [SEP] pair [SEP], cut "longest first" (see longest_first); as one text where `pair` is not given.
  /// Throws contract_error where max_length is below 3, for one text below 2.
  [[nodiscard]] encoding encode(std::string_view text, std::optional<std::string_view> pair,
                                std::ptrdiff_t max_length) const {
    const std::vector<std::int32_t> first = encode(text);
    std::vector<std::int32_t> second;
    if (pair) append(*pair, second);
    return frame({pieces_.classify(), pieces_.separator()}, first,
                 pair ? std::optional<std::span<const std::int32_t>>(second) : std::nullopt, max_length);
  }

  /// The pieces of `text` as people read them.
  [[nodiscard]] std::vector<std::string> tokens(std::string_view text) const {
    std::vector<std::string> result;
    for (const std::int32_t id : encode(text)) result.emplace_back(pieces_.piece(id));
    return result;
  }

 private:
  /// How far a word has been read.
  struct open_word {
    std::size_t first_id;  // of ids, where the word began
    detail::piece_trie::state state = detail::piece_trie::word_start;
    std::ptrdiff_t characters = 0;  // code points
  };

  /// Reads the letters of ASCII that `text` begins with. How many they are.
  std::size_t letters(std::string_view text, open_word& word, std::vector<std::int32_t>& ids) const {
    detail::piece_trie::state state = word.state;
    std::size_t count = 0;
    for (; count < text.size(); ++count) {
      const unsigned char letter = normalizer_.kind(text[count]);
      if (letter < normalizer::first_letter) break;
      state = trie_.next(state, letter, ids);
    }
    word.state = state;
    word.characters += static_cast<std::ptrdiff_t>(count);
    return count;
  }

  /// Reads normalised text.
  void read(std::string_view text, open_word& word, std::vector<std::int32_t>& ids) const {
    for (const char byte : text) {
      if (byte == ' ') {
        end(word, ids);
        continue;
      }
      word.state = trie_.next(word.state, static_cast<unsigned char>(byte), ids);
      word.characters += detail::is_continuation_byte(byte) ? 0 : 1;
    }
  }

  /// Ends the word, if there is one, and begins another.
  void end(open_word& word, std::vector<std::int32_t>& ids) const {
    if (word.characters == 0) return;
    const std::int32_t last = trie_.last_piece(word.state);
    if (last >= 0 && word.characters <= options_.max_word)
      ids.push_back(last);
    else
      end_otherwise(word, ids);
    word = {.first_id = ids.size()};
  }
  [[gnu::noinline]] void end_otherwise(const open_word& word, std::vector<std::int32_t>& ids) const {
    if (word.characters <= options_.max_word && trie_.finish(word.state, ids)) return;
    ids.resize(word.first_id);
    ids.push_back(pieces_.unknown());
  }

  /// Appends the punctuation mark of ASCII that `text` begins with, or the special piece that is spelled there; none of
  /// these is the beginning of another. How many bytes it has.
  std::size_t mark(std::string_view text, std::vector<std::int32_t>& ids) const {
    if (text.front() == '[' && options_.parse_specials)
      for (std::size_t i = 0; i < special_pieces.size(); ++i)
        if (text.starts_with(special_pieces[i])) {
          ids.push_back(pieces_.specials()[i]);
          return special_pieces[i].size();
        }
    ids.push_back(marks_[static_cast<unsigned char>(text.front())]);
    return 1;
  }

  vocabulary pieces_;
  detail::piece_trie trie_;
  normalizer normalizer_;
  word_piece_options options_;
  std::array<std::int32_t, 0x7F> marks_;  // the ids of the punctuation of ASCII, each a word
};

}  // namespace limbeck
