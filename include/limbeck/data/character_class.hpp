// What BERT's text cleaning takes a code point for: white space, control, punctuation, ideograph, accent.
#pragma once

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace limbeck::detail {

enum class character_class : unsigned char { letter, space, dropped, punctuation };

struct code_range {
  char32_t first, last;
};

/// Where these marks, punctuation and format characters lie, the reference (the tokenizers library, 0.23) sees letters:
/// its tables of categories are those of Unicode 8. Found by comparing all 1,112,064 code points with utf8proc 2.8.
/// Other characters inside the ranges are letters in either.
inline constexpr std::array<code_range, 41> newer_than_reference = {{
    {0x61D, 0x61D},     {0x7FD, 0x7FD},     {0x890, 0x8E2},     {0x9FD, 0x9FE},     {0xA76, 0xA76},
    {0xAFA, 0xAFF},     {0xB55, 0xB55},     {0xC04, 0xC3C},     {0xC77, 0xC77},     {0xC84, 0xC84},
    {0xD00, 0xD00},     {0xD3B, 0xD3C},     {0xD81, 0xD81},     {0xEBA, 0xEBA},     {0xECE, 0xECE},
    {0x180F, 0x1886},   {0x1ABF, 0x1ACE},   {0x1B7D, 0x1B7E},   {0x1DF6, 0x1DFB},   {0x2E43, 0x2E5D},
    {0xA82C, 0xA82C},   {0xA8C5, 0xA8C5},   {0xA8FF, 0xA8FF},   {0xA9BD, 0xA9BD},   {0x10D24, 0x10F89},
    {0x11070, 0x11074}, {0x110C2, 0x110CD}, {0x111C9, 0x111C9}, {0x111CF, 0x111CF}, {0x1123E, 0x11241},
    {0x1133B, 0x1133B}, {0x11438, 0x1145E}, {0x11660, 0x1166C}, {0x116B9, 0x116B9}, {0x1182F, 0x11FFF},
    {0x12FF1, 0x13455}, {0x16E97, 0x16F4F}, {0x16FE2, 0x16FE4}, {0x1CF00, 0x1CF46}, {0x1E000, 0x1E4EF},
    {0x1E944, 0x1E95F},
}};

[[nodiscard]] inline bool is_newer_than_reference(char32_t c) {
  const auto after = std::upper_bound(newer_than_reference.begin(), newer_than_reference.end(), c,
                                      [](char32_t point, const code_range& range) { return point < range.first; });
  return after != newer_than_reference.begin() && c <= std::prev(after)->last;
}

[[nodiscard]] inline utf8proc_category_t category(char32_t c) {
  return static_cast<utf8proc_category_t>(utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->category);
}

/// Unicode's property White_Space, less the control characters that BERT drops.
[[nodiscard]] constexpr bool is_space(char32_t c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/// "Chinese characters", as BERT's first code lists them; the gap U+2B820 .. U+2B91F is the reference's.
[[nodiscard]] constexpr bool is_ideograph(char32_t c) {
  return c >= 0x3400 && (c <= 0x4DBF || (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
                         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) ||
                         (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0x2F800 && c <= 0x2FA1F));
}

[[nodiscard]] constexpr bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

/// Control, format and private-use characters, NUL and U+FFFD are dropped; unassigned code points are letters.
[[nodiscard]] inline character_class class_of(char32_t c) {
  if (is_space(c)) return character_class::space;
  if (c < 0x80)
    return c < 0x20 || c == 0x7F     ? character_class::dropped
           : is_ascii_punctuation(c) ? character_class::punctuation
                                     : character_class::letter;
  if (c == 0xFFFD) return character_class::dropped;
  if (c == 0x166D || c == 0x111C9) return character_class::punctuation;  // moved to other categories after Unicode 8
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CS: return is_newer_than_reference(c) ? character_class::letter : character_class::dropped;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return is_newer_than_reference(c) ? character_class::letter : character_class::punctuation;
    default: return character_class::letter;
  }
}

/// A mark that sits on another character (category Mn): what "strip accents" strips.
[[nodiscard]] inline bool is_accent(char32_t c) {
  if (c < 0x300) return false;
  return c == 0x1734 || (category(c) == UTF8PROC_CATEGORY_MN && !is_newer_than_reference(c));
}

/// The simple lower-case form. Pairs that Unicode 16 and 17 brought are named, since utf8proc may be older than the
/// reference here. U+0130, the only one with two code points, is the caller's.
[[nodiscard]] inline char32_t lower(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 0x20 : c;
  if (c == 0xA7CB) return 0x264;
  if (c == 0xA7DC) return 0x19B;
  if (c == 0x1C89 || c == 0xA7CC || c == 0xA7CE || c == 0xA7D2 || c == 0xA7D4 || c == 0xA7DA) return c + 1;
  if (c >= 0x10D50 && c <= 0x10D65) return c + 0x20;
  if (c >= 0x16EA0 && c <= 0x16EB8) return c + 0x1B;
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

}  // namespace limbeck::detail
