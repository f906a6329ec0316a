// A hash of bytes that is the same on every machine and in every release.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace limbeck {

/// FNV-1a, 64 bits (Fowler, Noll, Vo). The hash of a text continues from the hash of its beginning: fnv1a(b, fnv1a(a))
/// is that of ab. Not for adversaries.
inline constexpr std::uint64_t fnv1a_start = 0xCBF29CE484222325u;
[[nodiscard]] constexpr std::uint64_t fnv1a_step(std::uint64_t hash, char byte) {
  return (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3u;
}
[[nodiscard]] constexpr std::uint64_t fnv1a(std::string_view bytes, std::uint64_t hash = fnv1a_start) {
  for (const char byte : bytes) hash = fnv1a_step(hash, byte);
  return hash;
}
/// Of the number's eight bytes, the lowest first.
[[nodiscard]] constexpr std::uint64_t fnv1a(std::uint64_t number, std::uint64_t hash) {
  for (int byte = 0; byte < 8; ++byte) hash = fnv1a_step(hash, static_cast<char>(number >> 8 * byte & 255));
  return hash;
}

/// Steps like FNV-1a's on eight bytes at a time, the lowest first, each folded down, for such a step alone moves bits only
/// upwards; and FNV-1a's own on those behind the last eight. Several times as fast. It continues from a beginning of
/// whole eights.
[[nodiscard]] inline std::uint64_t fnv1a_of_words(std::span<const std::byte> bytes, std::uint64_t hash = fnv1a_start) {
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    hash = (hash ^ word) * 0x100000001B3u;
    hash ^= hash >> 32;
  }
  for (; at < bytes.size(); ++at) hash = fnv1a_step(hash, static_cast<char>(bytes[at]));
  return hash;
}

/// A hash as files show it: 16 hexadecimal digits.
[[nodiscard]] inline std::string hash_text(std::uint64_t hash) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

}  // namespace limbeck
