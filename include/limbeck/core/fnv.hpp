// A hash of bytes that is the same on every machine and in every release.
#pragma once

#include <cstdint>
#include <cstdio>
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

/// A hash as files show it: 16 hexadecimal digits.
[[nodiscard]] inline std::string hash_text(std::uint64_t hash) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

}  // namespace limbeck
