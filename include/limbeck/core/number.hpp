// Numbers in text.
#pragma once

#include <charconv>
#include <cmath>
#include <concepts>
#include <optional>
#include <string_view>
#include <system_error>

namespace limbeck {

/// The number that the whole of `text` is, as a program writes it: no blanks, no plus sign, a point for decimals.
/// Nothing for any other text, and for what is not finite or does not fit.
template <class N>
  requires(std::integral<N> || std::floating_point<N>)
[[nodiscard]] std::optional<N> number_in(std::string_view text) {
  N value{};
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc{} || end != last) return std::nullopt;
  if constexpr (std::floating_point<N>)
    if (!std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace limbeck
