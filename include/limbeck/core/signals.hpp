// What a forward pass leaves to compare, and the mask that says which of it is wanted.
#pragma once

#include <cstdint>

#include "limbeck/core/per_layer.hpp"
#include "limbeck/core/sequence_layout.hpp"
#include "limbeck/core/view.hpp"

namespace limbeck {

/// A set of signals. A loss names what it reads; the objective joins the masks; the forward pass takes the result by
/// value and branches once a layer.
enum class signal_set : unsigned {};

[[nodiscard]] constexpr signal_set operator|(signal_set a, signal_set b) {
  return signal_set{unsigned(a) | unsigned(b)};
}
[[nodiscard]] constexpr signal_set operator&(signal_set a, signal_set b) {
  return signal_set{unsigned(a) & unsigned(b)};
}
/// What is in `a` and not in `b`.
[[nodiscard]] constexpr signal_set operator-(signal_set a, signal_set b) {
  return signal_set{unsigned(a) & ~unsigned(b)};
}

namespace signal {
inline constexpr signal_set none{0}, logits{1}, embeddings{2}, hidden{4}, scores{8}, probabilities{16}, queries{32},
    keys{64}, values{128};
/// What every layer leaves, for every token.
inline constexpr signal_set of_layers = hidden | scores | probabilities | queries | keys | values;
inline constexpr signal_set all = logits | embeddings | of_layers;
}  // namespace signal

/// Whether any member of `wanted` is in `set`.
[[nodiscard]] constexpr bool has(signal_set set, signal_set wanted) { return (set & wanted) != signal::none; }

/// Views onto what a model produced for one batch; an empty member was not asked for. Also the shape of the gradients
/// with respect to it. Layers count from zero.
template <class T, backend B = cpu>
struct signals {
  view<T, 2, B> logits{};                       ///< [rows, classes], before the softmax
  view<const std::int32_t, 1, B> row_sample{};  ///< [rows], not decreasing: whose row it is; empty: row = sample
  index valid_classes = 0;                      ///< the rest is padding; 0: all are valid
  view<T, 2, B> embeddings{};                   ///< [tokens, width], as are hidden, queries, keys, values
  per_layer<view<T, 2, B>> hidden{}, queries{}, keys{}, values{};
  per_layer<square_blocks<T, B>> scores{}, probabilities{};  ///< before and after the softmax over keys
  view<const sample_rows, 1, B> rows{};                      ///< [samples]: where each sample's tokens lie
  view<const std::int32_t, 2, B>
      kept_classes{};        ///< [rows, k], rising: those that `logits` [rows, k] are of; empty: all
  view<T, 1, B> log_rest{};  ///< [rows]: log of the sum of exp(logits / T) over the others, for a loss at temperature T

  /// Adds const. (A template because nvcc warns of a conversion to the same type, called or not.)
  template <class U>
    requires(std::is_same_v<U, const T> && !std::is_const_v<T>)
  operator signals<U, B>() const {
    signals<const T, B> out{logits, row_sample, valid_classes, embeddings,   {},      {}, {}, {},
                            {},     {},         rows,          kept_classes, log_rest};
    const auto copy = [](const auto& from, auto& to) {
      to = std::remove_cvref_t<decltype(to)>(from.size());
      for (std::size_t layer = 0; layer < from.size(); ++layer) to[layer] = from[layer];
    };
    copy(hidden, out.hidden);
    copy(queries, out.queries);
    copy(keys, out.keys);
    copy(values, out.values);
    copy(scores, out.scores);
    copy(probabilities, out.probabilities);
    return out;
  }
};

/// How many classes of a row of logits are real.
template <class T, backend B>
[[nodiscard]] constexpr index valid_classes(const signals<T, B>& s) {
  return s.valid_classes > 0 ? s.valid_classes : s.logits.extent(1);
}

}  // namespace limbeck
