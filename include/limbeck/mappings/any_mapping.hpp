// A mapping that is chosen at run time, and its name in text.
#pragma once

#include <algorithm>
#include <charconv>
#include <concepts>
#include <string>
#include <string_view>
#include <system_error>
#include <variant>

#include "limbeck/mappings/ends.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "limbeck/mappings/uniform.hpp"

namespace limbeck {

/// One of the mappings that have a name.
struct any_mapping {
  std::variant<uniform_mapping, first_mapping, last_mapping, explicit_mapping> chosen{};

  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    std::visit([&](const auto& map) { map(d, visit); }, chosen);
  }
};

namespace detail {

/// A layer number of `0-1:1-3`. Throws contract_error showing the whole text.
[[nodiscard]] inline std::size_t layer_number(std::string_view digits, std::string_view whole) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  expects(error == std::errc{} && end == digits.data() + digits.size() && !digits.empty(),
          [&] { return message("mapping: ", whole, ": expected pairs of layers such as explicit:0-1:1-3"); });
  return value;
}

}  // namespace detail

/// `uniform`, `first`, `last`, or `explicit:0-1:1-3` (student layer - teacher layer, from 0). Throws contract_error for
/// anything else.
[[nodiscard]] inline any_mapping parse_mapping(std::string_view text) {
  if (text == "uniform") return {uniform_mapping{}};
  if (text == "first") return {first_mapping{}};
  if (text == "last") return {last_mapping{}};
  constexpr std::string_view table = "explicit:";
  expects(text.starts_with(table),
          [&] { return message("mapping: ", text, ": expected uniform, first, last or explicit:0-1:1-3"); });
  explicit_mapping pairs;
  for (std::string_view rest = text.substr(table.size()); !rest.empty();) {
    const std::string_view pair = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t dash = std::min(pair.find('-'), pair.size());
    const std::string_view teacher = pair.substr(std::min(dash + 1, pair.size()));
    pairs.pairs.push_back({detail::layer_number(pair.substr(0, dash), text), detail::layer_number(teacher, text)});
  }
  expects(!pairs.pairs.empty(), [&] { return message("mapping: ", text, ": names no pair of layers"); });
  return {pairs};
}

}  // namespace limbeck
