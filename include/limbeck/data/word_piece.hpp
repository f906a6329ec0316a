// BERT's tokeniser: text to the ids of a WordPiece vocabulary, exactly as BertTokenizerFast gives them.
#pragma once

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
        normalizer_({options.lower_case, options.strip_accents, options.isolate_ideographs}),
        options_(options) {
    expects(options.max_word >= 1,
            [&] { return message("word_piece: max_word must be positive, not ", options.max_word); });
  }

  [[nodiscard]] const vocabulary& pieces() const { return pieces_; }
  [[nodiscard]] const word_piece_options& options() const { return options_; }

  /// Appends the ids of `text` to `ids`, no [CLS] or [SEP] added. A buffer that is used again spares allocations.
  void append(std::string_view text, std::vector<std::int32_t>& ids) const {
    while (options_.parse_specials) {
      const special_spelling found = find_special(text);
      if (found.id < 0) break;
      append_plain(text.substr(0, found.at), ids);
      ids.push_back(found.id);
      text.remove_prefix(found.at + found.bytes);
    }
    append_plain(text, ids);
  }

  /// The ids of `text`, no [CLS] or [SEP] added, never cut.
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const {
    std::vector<std::int32_t> ids;
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
  struct special_spelling {
    std::size_t at = 0, bytes = 0;
    std::int32_t id = -1;  // -1: there is none
  };
  /// The first spelling of a special piece in `text`. None is the start of another, so the first is the one.
  [[nodiscard]] special_spelling find_special(std::string_view text) const {
    for (std::size_t at = text.find('['); at != std::string_view::npos; at = text.find('[', at + 1))
      for (std::size_t i = 0; i < special_pieces.size(); ++i)
        if (text.substr(at).starts_with(special_pieces[i]))
          return {at, special_pieces[i].size(), pieces_.specials()[i]};
    return {};
  }

  void append_plain(std::string_view text, std::vector<std::int32_t>& ids) const {
    normalizer_.words(text, [&](std::string_view word, std::ptrdiff_t characters) {
      if (characters > options_.max_word || !append_pieces(word, ids)) ids.push_back(pieces_.unknown());
    });
  }

  /// Appends the pieces of a word, or nothing and false where some part of it has none.
  [[nodiscard]] bool append_pieces(std::string_view word, std::vector<std::int32_t>& ids) const {
    const std::size_t before = ids.size();
    for (std::size_t at = 0; at < word.size();) {
      const vocabulary::match found = pieces_.longest_prefix(word.substr(at), at > 0);
      if (found.id < 0) {
        ids.resize(before);
        return false;
      }
      ids.push_back(found.id);
      at += found.bytes;
    }
    return true;
  }

  vocabulary pieces_;
  normalizer normalizer_;
  word_piece_options options_;
};

}  // namespace limbeck
