// Which layers of a model look at whose weights: schemes that make it deeper than it has weights for.
#pragma once

#include <string_view>
#include <vector>

#include "limbeck/core/error.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// Whose weights a layer looks at.
struct layer_source {
  index layer = 0;         ///< an earlier one, or itself
  bool exchanged = false;  ///< its queries are made as that layer makes keys, and its keys as that layer makes queries

  friend constexpr bool operator==(const layer_source&, const layer_source&) = default;
};

/// In which order layers are used twice; the names are those of Takase and Kiyono 2021, arXiv:2104.06022, figure 1.
enum class sharing_order {
  cycle,     ///< W1 W2 W3 W1 W2 W3
  sequence,  ///< W1 W1 W2 W2 W3 W3
  cycle_rev  ///< W1 W2 W3 W3 W2 W1
};

/// A scheme of parameter sharing for any number of layers.
struct parameter_sharing {
  sharing_order order = sharing_order::cycle;
  bool exchanged = false;  ///< in the second use of a layer

  friend constexpr bool operator==(const parameter_sharing&, const parameter_sharing&) = default;
};

/// Shuffled parameter sharing of Pea-KD (Cho and Kang 2020, arXiv:2009.14822, section 3.2): W1 W2 W3 W1' W2' W3'.
inline constexpr parameter_sharing shuffled_parameter_sharing{.order = sharing_order::cycle, .exchanged = true};

/// The first of `layers` layers, from 0, that is used twice. All are of up to 3; of more the upper half is, as in
/// Pea-KD (9 uses of 6 layers). Of an odd number the middle layer belongs to it: more depth, and no more weights.
[[nodiscard]] constexpr index first_used_twice(index layers) { return layers > 3 ? layers / 2 : 0; }

/// How many layers deep a model of so many layers with weights is.
[[nodiscard]] constexpr index effective_layers(index layers) { return 2 * layers - first_used_twice(layers); }

/// The sources of all layers of a model with `layers` layers' weights, for transformer_sizes. Throws contract_error
/// where there is no layer.
[[nodiscard]] inline std::vector<layer_source> shared_layers(const parameter_sharing& scheme, index layers) {
  expects(layers > 0, [&] { return message("shared_layers: ", layers, " layers"); });
  const index twice = first_used_twice(layers);
  std::vector<layer_source> all;
  for (index l = 0; l < layers; ++l) {
    const auto own = static_cast<index>(all.size());
    all.push_back({own, false});
    if (scheme.order == sharing_order::sequence && l >= twice) all.push_back({own, scheme.exchanged});
  }
  for (index l = twice; l < layers && scheme.order != sharing_order::sequence; ++l)
    all.push_back({scheme.order == sharing_order::cycle ? l : layers - 1 - (l - twice), scheme.exchanged});
  return all;
}

/// Reads `sps` or ORDER or ORDER:exchanged, as in `cycle_rev:exchanged`. Throws contract_error that shows the text.
[[nodiscard]] inline parameter_sharing parse_sharing(std::string_view text) {
  if (text == "sps") return shuffled_parameter_sharing;
  const std::string_view order = text.substr(0, text.find(':')), rest = text.substr(order.size());
  parameter_sharing scheme{.exchanged = rest == ":exchanged"};
  const bool known = order == "cycle" || order == "sequence" || order == "cycle_rev";
  expects(known && (rest.empty() || scheme.exchanged), [&] {
    return message("sharing: \"", text, "\", expected sps, or cycle, sequence or cycle_rev, or these with :exchanged");
  });
  if (order == "sequence") scheme.order = sharing_order::sequence;
  if (order == "cycle_rev") scheme.order = sharing_order::cycle_rev;
  return scheme;
}

}  // namespace limbeck
