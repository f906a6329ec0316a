// A teacher that is read instead of asked.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include "limbeck/core/error.hpp"
#include "limbeck/core/signals.hpp"

namespace limbeck {

/// What was kept of a teacher for every sample of a set.
template <class T>
class kept_teacher {
 public:
  virtual ~kept_teacher() = default;
  /// The signals that of() can give.
  [[nodiscard]] virtual signal_set holds() const = 0;
  [[nodiscard]] virtual index samples() const = 0;
  /// Of the attention whose queries and keys it holds; 0: unknown, and no maps are made of them (kept_maps).
  [[nodiscard]] virtual index heads() const { return 0; }
  /// The wanted signals that it holds of chosen samples of the set, in that order, tokens packed; valid until the next
  /// call.
  [[nodiscard]] virtual signals<const T> of(std::span<const std::ptrdiff_t> chosen, signal_set wanted) = 0;
  /// Tells that of() is going to be called with these.
  virtual void announce(std::span<const std::ptrdiff_t>) {}
};

/// Puts the signals that are there over those of the same kind.
template <class T, backend B>
void put_over(signals<const T, B>& below, const signals<const T, B>& above) {
  const auto put = [](auto& to, const auto& from) {
    if (!from.empty()) to = from;
  };
  put(below.logits, above.logits);
  put(below.kept_classes, above.kept_classes);
  put(below.log_rest, above.log_rest);
  put(below.embeddings, above.embeddings);
  put(below.hidden, above.hidden);
  put(below.queries, above.queries);
  put(below.keys, above.keys);
  put(below.values, above.values);
  put(below.scores, above.scores);
  put(below.probabilities, above.probabilities);
  put(below.rows, above.rows);
}

/// Calls one(array, the same array of `to`) for every array that a kept teacher can show. Attention maps stay where
/// they are: throws contract_error where it holds such and they are wanted elsewhere.
template <class T, backend To, class F>
void for_each_array(const signals<const T>& from, signals<const T, To>& to, const F& one) {
  if constexpr (std::same_as<To, cpu>) {
    to.scores = from.scores;
    to.probabilities = from.probabilities;
  } else {
    expects(from.scores.empty() && from.probabilities.empty(),
            "kept_teacher: attention maps that were kept are compared on the host alone");
  }
  const auto layers = [&](const per_layer<view<const T, 2>>& all, per_layer<view<const T, 2, To>>& there) {
    if (there.size() != all.size()) there = per_layer<view<const T, 2, To>>(all.size());
    for (std::size_t l = 0; l < all.size(); ++l) one(all[l], there[l]);
  };
  one(from.logits, to.logits);
  one(from.kept_classes, to.kept_classes);
  one(from.log_rest, to.log_rest);
  one(from.embeddings, to.embeddings);
  layers(from.hidden, to.hidden);
  layers(from.queries, to.queries);
  layers(from.keys, to.keys);
  layers(from.values, to.values);
  one(from.rows, to.rows);
}

}  // namespace limbeck
