// BERT's basic tokenisation: cleans text, strips accents, lower-cases, and cuts it into words.
#pragma once

#include <utf8proc.h>

#include <algorithm>
#include <array>
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

/// A stretch of text that is not plain ASCII, normalised. Memory that is used again.
struct normalized_run {
  std::string text{};              ///< UTF-8; a space ends the word before it, and is part of none
  std::vector<char32_t> points{};  ///< what the text is made from
};

/// Gives the words of a text, exactly as BertNormalizer and BertPreTokenizer of the tokenizers library (Devlin et al.
/// 2019, arXiv:1810.04805; google-research/bert, tokenization.py): control and private-use characters go, any white
/// space parts words, ideographs and punctuation stand alone. Where accents are stripped the text is decomposed (NFD)
/// and stays so. Broken UTF-8 is dropped. Holds a table and no state, so threads may share one.
class normalizer {
 public:
  /// What a byte of text is. A value from first_letter on is a letter of ASCII, normalised.
  enum byte_kind : unsigned char { space, dropped, punctuation, not_ascii, first_letter };

  explicit normalizer(normalizer_options options = {})
      : lower_case_(options.lower_case),
        strip_accents_(options.strip_accents.value_or(options.lower_case)),
        isolate_ideographs_(options.isolate_ideographs) {
    kinds_.fill(not_ascii);
    for (unsigned char c = 0; c < 0x80; ++c) kinds_[c] = ascii_kind(c);
  }

  /// What `byte` is, or the letter that it becomes.
  [[nodiscard]] unsigned char kind(char byte) const { return kinds_[static_cast<unsigned char>(byte)]; }

  /// Normalises the stretch from text[at] on whose bytes are not ASCII or are dropped, and moves `at` behind it. Marks
  /// change places only inside of such a stretch, so the rest can be read byte by byte. Its first and its last word go
  /// on in the text around it unless a space parts them.
  void run(std::string_view text, std::size_t& at, normalized_run& into) const {
    into.points.clear();
    into.text.clear();
    while (at < text.size() && (kind(text[at]) == not_ascii || kind(text[at]) == dropped))
      clean(detail::decode_utf8(text, at), into.points);
    if (strip_accents_) sort_marks(into.points);
    for (const char32_t c : into.points) {
      if (strip_accents_ && detail::is_accent(c)) continue;
      put(lower_case_ ? detail::lower(c) : c, into.text);
      if (lower_case_ && c == 0x130) put(0x307, into.text);  // the one lower-case form of two code points
    }
  }

  /// Calls visit(word, characters) for each word in turn: its UTF-8 text, valid during the call, and how many code
  /// points it has. Allocates only for words above 15 bytes, and buffers where the text is not plain ASCII.
  template <std::invocable<std::string_view, std::ptrdiff_t> Visit>
  void words(std::string_view text, Visit&& visit) const {
    splitter<Visit> split{visit};
    normalized_run other;
    for (std::size_t at = 0; at < text.size();) {
      switch (const unsigned char c = kind(text[at])) {
        case space: split.end_word(); break;
        case dropped: break;
        case punctuation:
          split.end_word();
          split.put(text[at]);
          split.end_word();
          break;
        case not_ascii:
          run(text, at, other);
          for (const char byte : other.text) byte == ' ' ? split.end_word() : split.put(byte);
          continue;
        default: split.put(static_cast<char>(c));
      }
      ++at;
    }
    split.end_word();
  }

 private:
  /// Collects a word until something ends it.
  template <class Visit>
  struct splitter {
    Visit& visit;
    std::string word{};
    std::ptrdiff_t characters = 0;

    void put(char byte) {
      word.push_back(byte);
      characters += detail::is_continuation_byte(byte) ? 0 : 1;
    }
    void end_word() {
      if (characters > 0) visit(std::string_view(word), characters);
      word.clear();
      characters = 0;
    }
  };

  [[nodiscard]] unsigned char ascii_kind(unsigned char c) const {
    switch (detail::class_of(c)) {
      case detail::character_class::space: return space;
      case detail::character_class::dropped: return dropped;
      case detail::character_class::punctuation: return punctuation;
      default: return static_cast<unsigned char>(lower_case_ ? detail::lower(c) : c);
    }
  }

  /// Appends a normalised character, and spaces where it ends a word.
  static void put(char32_t c, std::string& text) {
    const detail::character_class kind = detail::class_of(c);
    if (kind == detail::character_class::dropped) return;
    if (kind != detail::character_class::letter) text.push_back(' ');
    if (kind == detail::character_class::space) return;
    detail::append_utf8(text, c);
    if (kind == detail::character_class::punctuation) text.push_back(' ');
  }

  /// Appends a code point if it stays: ideographs set apart by spaces, decomposed where accents will be stripped.
  void clean(char32_t c, std::vector<char32_t>& points) const {
    const detail::character_class kind = detail::class_of(c);
    if (kind == detail::character_class::dropped) return;
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
  std::array<unsigned char, 256> kinds_;
};

}  // namespace limbeck
