// A text, or a pair of texts, as a model takes it: [CLS] a [SEP] or [CLS] a [SEP] b [SEP], cut to a length.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "limbeck/core/error.hpp"

namespace limbeck {

/// One sample's tokens, without padding.
struct encoding {
  std::vector<std::int32_t> ids{};    ///< [tokens], special pieces included
  std::vector<std::int32_t> types{};  ///< [tokens]: 0 up to and with the first [SEP], 1 after it

  [[nodiscard]] std::ptrdiff_t length() const { return static_cast<std::ptrdiff_t>(ids.size()); }
  friend bool operator==(const encoding&, const encoding&) = default;
};

/// How many tokens of each half of a pair are kept.
struct kept_tokens {
  std::ptrdiff_t first = 0, second = 0;
  friend bool operator==(const kept_tokens&, const kept_tokens&) = default;
};

/// "Longest first" as the tokenizers library does it, of `first` and `second` tokens and room for `room`: where the
/// shorter half has at most room / 2 tokens it stays whole and the other gets the rest; otherwise both are cut to
/// room / 2 and the odd token goes to the longer (on a tie: the second).
[[nodiscard]] constexpr kept_tokens longest_first(std::ptrdiff_t first, std::ptrdiff_t second, std::ptrdiff_t room) {
  if (first + second <= room) return {first, second};
  const std::ptrdiff_t half = room / 2;
  if (std::min(first, second) <= half)
    return first <= second ? kept_tokens{first, room - first} : kept_tokens{room - second, second};
  return first > second ? kept_tokens{room - half, half} : kept_tokens{half, room - half};
}

/// The ids that frame the text.
struct frame_pieces {
  std::int32_t classify, separator;
};

/// Puts [CLS] a [SEP], or with `second` [CLS] a [SEP] b [SEP], around the ids of the halves; tokens are dropped at the
/// end of a half until all fit `max_length`. A given second half may be empty: its [SEP] is there. Throws
/// contract_error for a limit that cannot hold the frame and be of use: below 2 for a text, below 3 for a pair.
[[nodiscard]] inline encoding frame(frame_pieces with, std::span<const std::int32_t> first,
                                    std::optional<std::span<const std::int32_t>> second, std::ptrdiff_t max_length) {
  const std::ptrdiff_t specials = second ? 3 : 2;
  expects(max_length >= specials, [&] {
    return message("max_length: ", max_length, ", but a ", (second ? "pair" : "text"), " needs at least ", specials);
  });
  const auto count = [](std::span<const std::int32_t> ids) { return static_cast<std::ptrdiff_t>(ids.size()); };
  const kept_tokens kept = longest_first(count(first), second ? count(*second) : 0, max_length - specials);
  encoding result;
  result.ids.reserve(static_cast<std::size_t>(kept.first + kept.second + specials));
  result.ids.push_back(with.classify);
  result.ids.insert(result.ids.end(), first.begin(), first.begin() + kept.first);
  result.ids.push_back(with.separator);
  result.types.reserve(result.ids.capacity());
  result.types.assign(result.ids.size(), 0);
  if (second) {
    result.ids.insert(result.ids.end(), second->begin(), second->begin() + kept.second);
    result.ids.push_back(with.separator);
    result.types.resize(result.ids.size(), 1);
  }
  return result;
}

}  // namespace limbeck
