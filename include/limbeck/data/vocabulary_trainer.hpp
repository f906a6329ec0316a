// Trains a WordPiece vocabulary from lines of text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/data/normalizer.hpp"
#include "limbeck/data/pair_merger.hpp"
#include "limbeck/data/utf8.hpp"
#include "limbeck/data/vocabulary.hpp"

namespace limbeck {

struct vocabulary_trainer_options {
  std::ptrdiff_t size = 30522;     ///< pieces, special ones included
  std::int64_t min_character = 2;  ///< a character that occurs less often gets no piece: its words are [UNK]
  std::int64_t min_pair = 2;       ///< two pieces that meet less often are not joined
  std::ptrdiff_t max_word = 100;   ///< code points; longer words are passed over, as the tokeniser does
  normalizer_options normalise{};  ///< must be those of the tokeniser that will use the vocabulary
};

/// Joins, again and again, the two neighbouring pieces that meet most often (Sennrich et al. 2016, arXiv:1508.07909,
/// section 3.2), with WordPiece's "##" spelling; the result is used by longest match. The other known score,
/// count(ab) / (count(a) count(b)) (Schuster and Nakajima 2012, as often quoted), spends a small vocabulary on pairs of
/// rare characters; frequency is also what the tokenizers library's WordPiece trainer uses. The vocabulary: special
/// pieces, then all characters (and "##" + character for each that is ever part of a longer word), sorted by bytes,
/// then joined pieces in the order of their making. The same multiset of words gives the same vocabulary, whatever the
/// order of lines: ties go to the pair whose bytes come first.
class vocabulary_trainer {
 public:
  /// Throws contract_error where size, min_character or min_pair is below 1.
  explicit vocabulary_trainer(vocabulary_trainer_options options = {})
      : options_(options), normalizer_(options.normalise) {
    expects(options.size >= 1 && options.min_character >= 1 && options.min_pair >= 1, [&] {
      return message("vocabulary_trainer: size ", options.size, ", min_character ", options.min_character,
                     ", min_pair ", options.min_pair, ", expected 1 or more each");
    });
  }

  /// Counts the words of a line. Special pieces spelled in it are ordinary text.
  void add(std::string_view line) {
    normalizer_.words(line, [&](std::string_view word, std::ptrdiff_t characters) {
      if (characters > options_.max_word) return;
      const auto found = words_.find(word);
      if (found != words_.end())
        ++found->second;
      else
        words_.emplace(word, 1);
    });
  }

  /// The vocabulary of all lines so far: `size` pieces, or fewer where no pair is left that occurs min_pair times. May
  /// be called again after more lines. Throws contract_error where no word was added or the characters alone need more
  /// room.
  [[nodiscard]] vocabulary train() const {
    expects(!words_.empty(), "vocabulary_trainer: the corpus has no words");
    const std::map<std::string, std::int64_t, std::less<>> words(words_.begin(), words_.end());
    detail::pair_merger merger;
    for (std::string& piece : alphabet(words)) merger.add_piece(std::move(piece));
    const std::ptrdiff_t specials = static_cast<std::ptrdiff_t>(special_pieces.size());
    const std::ptrdiff_t room = options_.size - specials;
    expects(merger.size() <= room, [&] {
      return message("vocabulary_trainer: size ", options_.size, ", but special pieces and characters need ",
                     merger.size() + specials, "; a larger min_character leaves out rare ones");
    });
    for (const auto& [word, count] : words) merger.add_word(word, count);
    merger.merge_until(room, options_.min_pair);

    std::vector<std::string> pieces(special_pieces.begin(), special_pieces.end());
    pieces.insert(pieces.end(), merger.pieces().begin(), merger.pieces().end());
    return vocabulary(pieces);
  }

 private:
  struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  /// All characters, then "##" and each character that ever stands in a longer word: what only stands alone
  /// (ideographs, punctuation) needs no such piece.
  [[nodiscard]] std::vector<std::string> alphabet(const std::map<std::string, std::int64_t, std::less<>>& words) const {
    struct use {
      std::int64_t count = 0;
      bool joined = false;
    };
    std::map<std::string, use> characters;
    for (const auto& [word, count] : words) {
      for (std::size_t at = 0; at < word.size();) {
        const std::size_t begin = at;
        (void)detail::decode_utf8(word, at);
        use& character = characters[word.substr(begin, at - begin)];
        character.count += count;
        character.joined = character.joined || at - begin < word.size();
      }
    }
    std::vector<std::string> pieces;
    for (const auto& [character, use] : characters)
      if (use.count >= options_.min_character) pieces.push_back(character);
    for (const auto& [character, use] : characters)
      if (use.count >= options_.min_character && use.joined) pieces.push_back(std::string(continuation) + character);
    return pieces;
  }

  vocabulary_trainer_options options_;
  normalizer normalizer_;
  std::unordered_map<std::string, std::int64_t, text_hash, std::equal_to<>> words_;
};

}  // namespace limbeck
