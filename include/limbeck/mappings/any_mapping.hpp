// A mapping that is chosen at run time, and its name in text.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "limbeck/core/number.hpp"
#include "limbeck/mappings/block.hpp"
#include "limbeck/mappings/ends.hpp"
#include "limbeck/mappings/explicit.hpp"
#include "limbeck/mappings/random.hpp"
#include "limbeck/mappings/top.hpp"
#include "limbeck/mappings/uniform.hpp"
#include "limbeck/mappings/without_last.hpp"

namespace limbeck {

/// One of the mappings that have a name.
struct any_mapping {
  std::variant<uniform_mapping, first_mapping, last_mapping, both_ends_mapping, pkd_skip_mapping, pkd_last_mapping,
               block_mapping, all_layers_mapping, reverse_mapping, dwt_remap_mapping, top_mapping, random_mapping,
               explicit_mapping>
      chosen{};
  bool per_epoch = false;  ///< a random one is to be drawn anew in each epoch, see drawn_in()

  constexpr void operator()(depths d, std::invocable<layer_pair> auto&& visit) const {
    struct shown_to final : visitor {
      decltype(visit)& to;
      constexpr explicit shown_to(decltype(visit)& v) : to(v) {}
      constexpr void operator()(layer_pair p) override { to(p); }
    };
    shown_to each(visit);
    show(d, each);
  }

 private:
  /// Hides what visits, so that the mappings are compiled for one visitor however many losses ask.
  struct visitor {
    constexpr virtual void operator()(layer_pair p) = 0;

   protected:
    constexpr ~visitor() = default;
  };
  constexpr void show(depths d, visitor& each) const {
    std::visit([&](const auto& map) { map(d, each); }, chosen);
  }
};

namespace detail {

/// A number in the text of a mapping. Throws contract_error showing the whole text.
template <std::unsigned_integral T>
[[nodiscard]] T mapping_number(std::string_view digits, std::string_view whole, const char* wanted) {
  const auto value = number_in<T>(digits);
  expects(value.has_value(), [&] { return message("mapping: ", whole, ": expected ", wanted); });
  return *value;
}

/// What stands behind `explicit:` in `whole`.
[[nodiscard]] inline explicit_mapping parse_pairs(std::string_view rest, std::string_view whole) {
  constexpr auto wanted = "pairs of layers such as explicit:0-1:1-3";
  explicit_mapping map;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::size_t dash = std::min(pair.find('-'), pair.size());
    const std::string_view teacher = pair.substr(std::min(dash + 1, pair.size()));
    map.pairs.push_back({mapping_number<std::size_t>(pair.substr(0, dash), whole, wanted),
                         mapping_number<std::size_t>(teacher, whole, wanted)});
  }
  expects(!map.pairs.empty(), [&] { return message("mapping: ", whole, ": names no pair of layers"); });
  return map;
}

/// What stands behind `random:` in `whole`: a seed, and `:without_last` and `:per_epoch` where those are wanted.
[[nodiscard]] inline any_mapping parse_random(std::string_view rest, std::string_view whole) {
  constexpr auto wanted = "a seed such as random:7, random:7:without_last, random:7:per_epoch or both words";
  constexpr std::string_view short_draw = ":without_last", each_epoch = ":per_epoch";
  const std::string_view seed = rest.substr(0, rest.find(':'));
  std::string_view more = rest.substr(seed.size());
  const bool without_last = more.starts_with(short_draw);
  if (without_last) more.remove_prefix(short_draw.size());
  expects(more.empty() || more == each_epoch, [&] { return message("mapping: ", whole, ": expected ", wanted); });
  return {random_mapping{mapping_number<std::uint64_t>(seed, whole, wanted), 0, without_last}, !more.empty()};
}

}  // namespace detail

/// The mapping as it is in an epoch: another one in each only if it is drawn per epoch.
[[nodiscard]] inline any_mapping drawn_in(any_mapping map, std::uint64_t epoch) {
  if (auto* drawn = std::get_if<random_mapping>(&map.chosen); drawn != nullptr && map.per_epoch)
    *drawn = drawn_in(*drawn, epoch);
  return map;
}

/// `uniform`, `first`, `last`, `both_ends`, `pkd_skip`, `pkd_last`, `block`, `all_layers`, `reverse`, `dwt_remap`,
/// `top` or `top:20` (a teacher layer), `random:7` (a seed), `random:7:without_last`, `random:7:per_epoch`,
/// `random:7:without_last:per_epoch`, `explicit:0-1:1-3` (student layer - teacher layer, from 0). Throws contract_error
/// for anything else.
[[nodiscard]] inline any_mapping parse_mapping(std::string_view text) {
  if (text == "uniform") return {uniform_mapping{}};
  if (text == "first") return {first_mapping{}};
  if (text == "last") return {last_mapping{}};
  if (text == "both_ends") return {both_ends_mapping{}};
  if (text == "pkd_skip") return {pkd_skip_mapping{}};
  if (text == "pkd_last") return {pkd_last_mapping{}};
  if (text == "block") return {block_mapping{}};
  if (text == "all_layers") return {all_layers_mapping{}};
  if (text == "reverse") return {reverse_mapping{}};
  if (text == "dwt_remap") return {dwt_remap_mapping{}};
  if (text == "top") return {top_mapping{}};
  constexpr std::string_view table = "explicit:", drawn = "random:", named = "top:";
  if (text.starts_with(table)) return {detail::parse_pairs(text.substr(table.size()), text)};
  if (text.starts_with(named))
    return {top_mapping{
        detail::mapping_number<std::size_t>(text.substr(named.size()), text, "a teacher layer such as top:20")}};
  expects(text.starts_with(drawn), [&] {
    return message("mapping: ", text,
                   ": expected uniform, first, last, both_ends, pkd_skip, pkd_last, block, all_layers, reverse, "
                   "dwt_remap, top, top:20, random:7, random:7:without_last, random:7:per_epoch or explicit:0-1:1-3");
  });
  return detail::parse_random(text.substr(drawn.size()), text);
}

}  // namespace limbeck
