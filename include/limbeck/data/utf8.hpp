// UTF-8 one code point at a time, with a defined answer for broken bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace limbeck::detail {

/// What broken bytes are read as (U+FFFD, the replacement character). BERT's normaliser drops it.
inline constexpr char32_t replacement_character = 0xFFFD;

[[nodiscard]] constexpr bool is_continuation_byte(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

/// Reads the code point at text[at] and moves `at` behind it; at < text.size(). Broken, overlong, surrogate or cut off:
/// gives U+FFFD and skips the longest start of a valid sequence, one byte at least (Unicode 15, section 3.9, "maximal
/// subpart"). Never reads past the end.
[[nodiscard]] constexpr char32_t decode_utf8(std::string_view text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0x80) return first;
  const std::size_t more = first >= 0xC2 && first < 0xE0   ? 1
                           : first >= 0xE0 && first < 0xF0 ? 2
                           : first >= 0xF0 && first < 0xF5 ? 3
                                                           : 0;
  if (more == 0) return replacement_character;
  // The second byte's range rules out overlong forms, surrogates and what lies above U+10FFFF.
  unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  char32_t point = first & (0x3Fu >> more);
  for (std::size_t i = 0; i < more; ++i) {
    if (at == text.size()) return replacement_character;
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < low || byte > high) return replacement_character;
    point = point << 6 | (byte & 0x3Fu);
    ++at;
    low = 0x80;
    high = 0xBF;
  }
  return point;
}

/// Appends `point` to `text`. `point` must be a scalar value, as decode_utf8 gives.
inline void append_utf8(std::string& text, char32_t point) {
  const auto tail = [&](int shift) { text.push_back(static_cast<char>(0x80 | ((point >> shift) & 0x3F))); };
  if (point < 0x80) {
    text.push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    text.push_back(static_cast<char>(0xC0 | (point >> 6)));
    tail(0);
  } else if (point < 0x10000) {
    text.push_back(static_cast<char>(0xE0 | (point >> 12)));
    tail(6);
    tail(0);
  } else {
    text.push_back(static_cast<char>(0xF0 | (point >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace limbeck::detail
