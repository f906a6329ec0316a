// The hidden states of some tokens of a set of samples, and by them how alike the layers of two models are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "limbeck/core/philox.hpp"
#include "limbeck/losses/layer_alikeness.hpp"
#include "limbeck/training/evaluation.hpp"

namespace limbeck {

/// A token of a sample, both by number.
struct drawn_token {
  index sample, token;
};

/// So many tokens of a set: the d-th of sample d, the first sample following the last; which one is drawn, a function
/// of seed and d. Nothing of an empty set.
[[nodiscard]] inline std::vector<drawn_token> draw_tokens(const sample_set& set, index count, std::uint64_t seed = 0) {
  std::vector<drawn_token> drawn;
  for (index d = 0; d < count && set.size() > 0; ++d) {
    const index sample = d % set.size();
    const std::uint64_t word = random_stream{.seed = seed}.at(static_cast<std::uint32_t>(d)).word[0];
    const auto length = static_cast<std::uint64_t>(set.lengths[static_cast<std::size_t>(sample)]);
    drawn.push_back({sample, static_cast<index>(word * length >> 32)});
  }
  return drawn;
}

/// The states of drawn tokens after each layer of a model, [tokens, width] each.
template <class T>
class token_states {
 public:
  template <launchable E, class Model>
  token_states(const E& on, const Model& model, view<const T, 1> weights, const sample_set& set,
               std::span<const drawn_token> tokens)
      : width_(model.backbone().sizes().width), rows_(tokens.size()) {
    layers_.resize(static_cast<std::size_t>(model.backbone().sizes().layers));
    for (auto& layer : layers_) layer.resize(tokens.size() * static_cast<std::size_t>(width_));
    for (std::size_t t = 0; t < tokens.size(); ++t) rows_[t] = {static_cast<index>(t), 1, 1};
    const index used = std::min(set.size(), static_cast<index>(tokens.size()));
    detail::for_each_batch(
        on, model, weights, part_of(set, 0, used), {}, {},
        [&](std::span<const std::ptrdiff_t> chosen, const signals<const T>& seen, const auto&) {
          for (std::size_t i = 0; i < chosen.size(); ++i)
            for (auto t = static_cast<std::size_t>(chosen[i]); t < tokens.size(); t += static_cast<std::size_t>(used))
              keep(t, seen, seen.rows(static_cast<index>(i)).begin + tokens[t].token);
        },
        signal::hidden);
  }

  /// As signals: each token is a sample of its own. They look at this object.
  [[nodiscard]] signals<const T> look() const {
    signals<const T> out;
    out.rows = view<const sample_rows, 1>(rows_.data(), rows_.size());
    out.hidden = per_layer<view<const T, 2>>(layers_.size());
    for (std::size_t l = 0; l < layers_.size(); ++l)
      out.hidden[l] = view<const T, 2>(layers_[l].data(), rows_.size(), width_);
    return out;
  }

 private:
  void keep(std::size_t token, const signals<const T>& seen, index row) {
    for (std::size_t l = 0; l < layers_.size(); ++l)
      std::copy_n(&seen.hidden[l](row, 0), width_, layers_[l].data() + token * static_cast<std::size_t>(width_));
  }

  index width_;
  std::vector<std::vector<T>> layers_;
  std::vector<sample_rows> rows_;
};

}  // namespace limbeck
