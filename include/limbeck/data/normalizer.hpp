// BERT's basic tokenisation: cleans text, strips accents, lower-cases, and cuts it into words.
#pragma once

#include <utf8proc.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "limbeck/data/character_class.hpp"
#include "limbeck/data/utf8.hpp"

namespace limbeck {

/// As tokenizer_config.json names them: do_lower_case, strip_accents, tokenize_chinese_chars.
struct normalizer_options {
  bool lower_case = true;
  std::optional<bool> strip_accents{};  ///< not given: as lower_case
  bool isolate_ideographs = true;       ///< each Chinese character is a word
};

/// Gives the words of a text, exactly as BertNormalizer and BertPreTokenizer of the tokenizers library (Devlin et al.
/// 2019, arXiv:1810.04805; google-research/bert, tokenization.py): control and private-use characters go, any white
/// space parts words, ideographs and punctuation stand alone. Where accents are stripped the text is decomposed (NFD)
/// and stays so. Broken UTF-8 is dropped. Holds no state, so threads may share one.
class normalizer {
 public:
  explicit normalizer(normalizer_options options = {})
      : lower_case_(options.lower_case),
        strip_accents_(options.strip_accents.value_or(options.lower_case)),
        isolate_ideographs_(options.isolate_ideographs) {}

  /// Calls visit(word, characters) for each word in turn: its UTF-8 text, valid during the call, and how many code
  /// points it has. Allocates only for words above 15 bytes, and a buffer where the text is not plain ASCII.
  template <std::invocable<std::string_view, std::ptrdiff_t> Visit>
  void words(std::string_view text, Visit&& visit) const {
    splitter<Visit> split{visit};
    if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
      for (const char c : text) split.put(lowered(static_cast<unsigned char>(c)));
    } else {
      std::vector<char32_t> points = cleaned(text);
      if (strip_accents_) sort_marks(points);
      for (const char32_t c : points) {
        if (strip_accents_ && detail::is_accent(c)) continue;
        split.put(lowered(c));
        if (lower_case_ && c == 0x130) split.put(0x307);  // the one lower-case form of two code points
      }
    }
    split.end_word();
  }

 private:
  /// Collects a word until white space or punctuation ends it.
  template <class Visit>
  struct splitter {
    Visit& visit;
    std::string word{};
    std::ptrdiff_t characters = 0;

    void put(char32_t c) {
      const detail::character_class kind = detail::class_of(c);
      if (kind == detail::character_class::dropped) return;
      if (kind != detail::character_class::letter) end_word();
      if (kind == detail::character_class::space) return;
      detail::append_utf8(word, c);
      ++characters;
      if (kind == detail::character_class::punctuation) end_word();
    }
    void end_word() {
      if (characters > 0) visit(std::string_view(word), characters);
      word.clear();
      characters = 0;
    }
  };

  [[nodiscard]] char32_t lowered(char32_t c) const { return lower_case_ ? detail::lower(c) : c; }

  /// The code points that stay, ideographs set apart by spaces, decomposed where accents will be stripped.
  [[nodiscard]] std::vector<char32_t> cleaned(std::string_view text) const {
    std::vector<char32_t> points;
    points.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
      const char32_t c = detail::decode_utf8(text, at);
      const detail::character_class kind = detail::class_of(c);
      if (kind == detail::character_class::dropped) continue;
      const bool apart = isolate_ideographs_ && detail::is_ideograph(c);
      if (apart) points.push_back(' ');
      if (kind == detail::character_class::space)
        points.push_back(' ');
      else if (strip_accents_ && c >= 0xC0)
        decompose(c, points);
      else
        points.push_back(c);
      if (apart) points.push_back(' ');
    }
    return points;
  }

  static void decompose(char32_t c, std::vector<char32_t>& points) {
    if (c == 0x11938) {  // decomposes since Unicode 13, after the reference's tables
      points.push_back(c);
      return;
    }
    utf8proc_int32_t parts[8];  // the longest canonical decomposition has 4
    int boundary = 0;
    const auto count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 8, UTF8PROC_DECOMPOSE, &boundary);
    for (utf8proc_ssize_t i = 0; i < count && i < 8; ++i) points.push_back(static_cast<char32_t>(parts[i]));
  }

  /// Canonical order: within each run of marks, by combining class. It matters for the marks that are not accents.
  static void sort_marks(std::vector<char32_t>& points) {
    const auto rank = [](char32_t c) {
      return c < 0x300 ? 0 : static_cast<int>(utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class);
    };
    for (auto at = points.begin(); at != points.end();) {
      const auto first = std::find_if(at, points.end(), [&](char32_t c) { return rank(c) != 0; });
      at = std::find_if(first, points.end(), [&](char32_t c) { return rank(c) == 0; });
      if (at - first > 1) std::stable_sort(first, at, [&](char32_t a, char32_t b) { return rank(a) < rank(b); });
    }
  }

  bool lower_case_, strip_accents_, isolate_ideographs_;
};

}  // namespace limbeck
