// The tokeniser as the papers put it, in as many passes as it has steps: what the fast one is compared with.
#pragma once

#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "limbeck/data/character_class.hpp"
#include "limbeck/data/utf8.hpp"
#include "limbeck/data/vocabulary.hpp"
#include "limbeck/data/word_piece.hpp"

namespace limbeck_test {

using code_points = std::vector<char32_t>;

/// BERT's normalisation of a whole text: clean, decompose, order, strip, lower.
class naive_normalizer {
 public:
  explicit naive_normalizer(const limbeck::word_piece_options& options)
      : options_(options), strip_(options.strip_accents.value_or(options.lower_case)) {}

  [[nodiscard]] std::vector<code_points> words(std::string_view text) const {
    std::vector<code_points> result(1);
    for (const char32_t c : lowered(stripped(cleaned(text)))) {
      const auto kind = limbeck::detail::class_of(c);
      if (kind == limbeck::detail::character_class::dropped) continue;
      const bool letter = kind == limbeck::detail::character_class::letter;
      if (!letter && !result.back().empty()) result.emplace_back();
      if (kind != limbeck::detail::character_class::space) result.back().push_back(c);
      if (!letter && !result.back().empty()) result.emplace_back();
    }
    if (result.back().empty()) result.pop_back();
    return result;
  }

 private:
  [[nodiscard]] code_points cleaned(std::string_view text) const {
    code_points kept;
    for (std::size_t at = 0; at < text.size();) {
      const char32_t c = limbeck::detail::decode_utf8(text, at);
      const auto kind = limbeck::detail::class_of(c);
      if (kind == limbeck::detail::character_class::dropped) continue;
      if (kind == limbeck::detail::character_class::space)
        kept.push_back(U' ');
      else if (options_.isolate_ideographs && limbeck::detail::is_ideograph(c))
        kept.insert(kept.end(), {U' ', c, U' '});
      else
        kept.push_back(c);
    }
    return kept;
  }

  [[nodiscard]] code_points stripped(const code_points& text) const {
    if (!strip_) return text;
    code_points decomposed;
    for (const char32_t c : text) {
      utf8proc_int32_t parts[8];
      int boundary = 0;
      auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 8, UTF8PROC_DECOMPOSE, &boundary);
      if (c == 0x11938) count = 0;  // younger than the reference's tables
      for (utf8proc_ssize_t i = 0; i < count; ++i) decomposed.push_back(static_cast<char32_t>(parts[i]));
      if (count == 0) decomposed.push_back(c);
    }
    for (std::size_t i = 1; i < decomposed.size(); ++i)  // an insertion sort within each run of marks
      for (std::size_t j = i; j > 0 && rank(decomposed[j]) != 0 && rank(decomposed[j - 1]) > rank(decomposed[j]); --j)
        std::swap(decomposed[j - 1], decomposed[j]);
    code_points kept;
    for (const char32_t c : decomposed)
      if (!limbeck::detail::is_accent(c)) kept.push_back(c);
    return kept;
  }

  [[nodiscard]] code_points lowered(const code_points& text) const {
    if (!options_.lower_case) return text;
    code_points lower;
    for (const char32_t c : text) {
      lower.push_back(limbeck::detail::lower(c));
      if (c == 0x130) lower.push_back(0x307);
    }
    return lower;
  }

  [[nodiscard]] static int rank(char32_t c) {
    return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
  }

  limbeck::word_piece_options options_;
  bool strip_;
};

/// Looks every piece up in a map, the longest first.
class naive_word_piece {
 public:
  naive_word_piece(const limbeck::vocabulary& pieces, const limbeck::word_piece_options& options)
      : pieces_(pieces), options_(options), normalizer_(options) {
    for (std::int32_t id = 0; id < pieces.size(); ++id) ids_.emplace(pieces.piece(id), id);
  }

  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const {
    std::vector<std::int32_t> result;
    std::size_t plain = 0;
    for (std::size_t at = 0; at < text.size() && options_.parse_specials;) {
      const std::string_view special = special_at(text.substr(at));
      at += special.empty() ? 1 : special.size();
      if (special.empty()) continue;
      add_words(text.substr(plain, at - special.size() - plain), result);
      result.push_back(ids_.at(std::string(special)));
      plain = at;
    }
    add_words(text.substr(plain), result);
    return result;
  }

 private:
  [[nodiscard]] static std::string_view special_at(std::string_view text) {
    for (const std::string_view special : limbeck::special_pieces)
      if (text.starts_with(special)) return special;
    return {};
  }

  void add_words(std::string_view text, std::vector<std::int32_t>& result) const {
    for (const code_points& word : normalizer_.words(text)) {
      const auto ids = pieces_of(word);
      if (ids.empty() || static_cast<std::ptrdiff_t>(word.size()) > options_.max_word)
        result.push_back(pieces_.unknown());
      else
        result.insert(result.end(), ids.begin(), ids.end());
    }
  }

  /// Empty where a part of the word has no piece.
  [[nodiscard]] std::vector<std::int32_t> pieces_of(const code_points& word) const {
    std::vector<std::int32_t> ids;
    for (std::size_t first = 0; first < word.size();) {
      std::size_t last = word.size();
      for (; last > first; --last) {
        std::string piece(first > 0 ? "##" : "");
        for (std::size_t i = first; i < last; ++i) limbeck::detail::append_utf8(piece, word[i]);
        if (const auto found = ids_.find(piece); found != ids_.end()) {
          ids.push_back(found->second);
          break;
        }
      }
      if (last == first) return {};
      first = last;
    }
    return ids;
  }

  limbeck::vocabulary pieces_;
  limbeck::word_piece_options options_;
  naive_normalizer normalizer_;
  std::map<std::string, std::int32_t> ids_;
};

}  // namespace limbeck_test
